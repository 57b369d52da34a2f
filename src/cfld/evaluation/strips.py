"""Results that are strips of several images of one size side by side, of which one is the generated image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from cfld.data.transforms import read_image
from cfld.evaluation.image_loading import read_batches
from cfld.evaluation.scorer import Pair

TOLERANCE: Final = 0.05


def cut_strips(
    files: Mapping[Pair, Path], column: int, frame: tuple[int, int], folder: Path
) -> tuple[dict[Pair, Path], list[str]]:
    """Writes one image of each strip, without loss, under the name of the strip.

    Args:
        column: of the image, from 1; negative = from the right.
        frame: (height, width) with the aspect ratio of the images; squares are cut, too.
        folder: to write to; must not exist.

    Returns:
        the images, without those of damaged strips, and a message for each of these.

    Raises:
        ValueError: if the first strip is no strip, or has no such column; names the file.
    """
    folder.mkdir()
    cut: dict[Pair, Path] = {}
    damaged: list[str] = []
    first = next(iter(files.values()))
    _window(first, column, frame)

    def write(pair: Pair) -> Path:
        path = folder / f"{files[pair].stem}-{len(str(files[pair].parent))}.png"
        image, left, width = _window(files[pair], column, frame)
        image.crop((left, 0, left + width, image.height)).save(path)
        return path

    for batch in read_batches(list(files), write, f"{folder.name}, column {column}"):
        cut.update(zip(batch.items, batch.results, strict=True))
        damaged += batch.damaged
    return cut, damaged


def _window(path: Path, column: int, frame: tuple[int, int]) -> tuple[Image.Image, int, int]:
    """A strip, and the left side and the width of one of its images."""
    image = read_image(path)
    for aspect in (frame[1] / frame[0], 1.0):
        count = round(image.width / (image.height * aspect))
        exact = count > 1 and abs(image.width / count / (image.height * aspect) - 1) <= TOLERANCE
        if exact and image.width % count == 0 and 1 <= abs(column) <= count:
            width = image.width // count
            return image, (column - 1 if column > 0 else count + column) * width, width
    raise ValueError(
        f"{path}: {image.width} x {image.height} is no strip of images of {frame[0]} x {frame[1]}, or of "
        f"squares, with a column {column}"
    )
