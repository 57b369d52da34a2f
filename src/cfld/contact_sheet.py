"""Contact sheets: rows of images with a title above each column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from cfld.poses.keypoints import Keypoints
from cfld.poses.render import draw_skeleton

GAP: Final = 6
"""Pixels between images."""
INK: Final = (40, 40, 40)


def contact_sheet(
    rows: Sequence[Sequence[Image.Image | None]], titles: Sequence[str], cell: tuple[int, int] = (256, 176)
) -> Image.Image:
    """Arranges images in rows and titled columns.

    Args:
        rows: images, each resized to a cell; None leaves its cell empty.
        titles: one per column.
        cell: (height, width) in pixels.

    Raises:
        ValueError: if there are no rows, or a row has not one image per title.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise ValueError(f"a sheet of {len(titles)} columns needs rows of {len(titles)} images")
    height, width = cell
    font_size = max(11, width // 11)
    header = font_size + 2 * GAP
    size = (len(titles) * (width + GAP) + GAP, header + len(rows) * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=font_size)
    for column, title in enumerate(titles):
        left = GAP + column * (width + GAP)
        draw.text((left + width // 2, GAP + header // 2), title, fill=INK, font=font, anchor="mm")
        for row, images in enumerate(rows):
            if (image := images[column]) is not None:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
                sheet.paste(resized, (left, header + GAP + row * (height + GAP)))
    return sheet


def draw_pose(keypoints: Keypoints, size: tuple[int, int] = (256, 176)) -> Image.Image:
    """Draws a skeleton as an image of (height, width)."""
    return Image.fromarray(draw_skeleton(keypoints, size=size))
