"""Rows of images on one sheet, with a line of text above each column: where people would rather look than read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from cfld.poses.keypoints import Keypoints
from cfld.poses.render import draw_skeleton

GAP: Final = 6
INK: Final = (40, 40, 40)


def contact_sheet(
    rows: Sequence[Sequence[Image.Image | None]], titles: Sequence[str], cell: tuple[int, int] = (256, 176)
) -> Image.Image:
    """One sheet.

    Args:
        rows: images, each resized to fit a cell; None leaves its cell empty.
        titles: one a column.
        cell: (height, width) in pixels.

    Raises:
        ValueError: if a row has another number of images than there are titles.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise ValueError(f"a sheet of {len(titles)} columns needs rows of {len(titles)} images")
    height, width = cell
    font = ImageFont.load_default(size=max(11, width // 11))
    header = max(11, width // 11) + 2 * GAP
    sheet = Image.new(
        "RGB", (len(titles) * (width + GAP) + GAP, header + len(rows) * (height + GAP) + GAP), (255, 255, 255)
    )
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        left = GAP + column * (width + GAP)
        draw.text((left + width // 2, GAP + header // 2), title, fill=INK, font=font, anchor="mm")
        for row, images in enumerate(rows):
            if (image := images[column]) is not None:
                fitted = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
                sheet.paste(fitted, (left, header + GAP + row * (height + GAP)))
    return sheet


def draw_pose(keypoints: Keypoints, size: tuple[int, int] = (256, 176)) -> Image.Image:
    """The skeleton as an image of (height, width)."""
    return Image.fromarray(draw_skeleton(keypoints, size=size))
