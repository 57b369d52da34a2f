"""Sheets of sample images that show a run's progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from PIL import Image
from torch import Tensor

from cfld.contact_sheet import contact_sheet
from cfld.data.transforms import to_pil, to_uint8

T = TypeVar("T")

PREVIEW_STEPS: Final = 20
"""Sampling steps of the images on a sheet."""


def sheet(columns: Mapping[str, Sequence[Image.Image]], cell: tuple[int, int]) -> Image.Image:
    """Columns of images under their titles. `cell`: (height, width) in pixels."""
    return contact_sheet(list(zip(*columns.values(), strict=True)), tuple(columns), cell=cell)


def pil_images(batch: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [-1, 1] -> PIL images."""
    return [to_pil(image) for image in to_uint8(batch)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """Up to `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
