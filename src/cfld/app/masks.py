"""Painted masks: the layers of an image editor merged into one image, white where to generate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image

THRESHOLD: Final = 128
OPAQUE: Final = (255, 255)


def painted_mask(layers: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Merges layers into a black and white mask (mode L), white where any of them is painted.

    Args:
        layers: RGBA of any size, resized to `size`. The painted part of a layer is what is not transparent, in any
            colour; of a fully opaque layer, as mask files are, the bright part.
        size: (width, height) of the image that the mask belongs to.

    Raises:
        ValueError: if nothing is painted.
    """
    mask = Image.new("L", size)
    for layer in layers:
        alpha = layer.getchannel("A")
        painted = layer.convert("L") if alpha.getextrema() == OPAQUE else alpha
        resized = painted.resize(size, Image.Resampling.BILINEAR)
        mask.paste(255, mask=resized.point(lambda value: 255 * (value >= THRESHOLD)))
    if mask.getbbox() is None:
        raise ValueError("the mask is empty: paint over the part of the reference that is to be generated anew")
    return mask
