"""Comparison of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels(image: Path | Image.Image) -> NDArray[np.int64]:
    """An image or its file as integers, so that differences do not wrap around."""
    return np.asarray(image if isinstance(image, Image.Image) else Image.open(image)).astype(np.int64)


def difference(one: Path | Image.Image, other: Path | Image.Image) -> int:
    """The largest difference of two images of one size, in grey levels; rounding alone makes 1."""
    return int(np.abs(pixels(one) - pixels(other)).max())
