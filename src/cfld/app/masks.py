"""Painted masks: the layers of an editor as one image, white where to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image

HALF: Final = 128
OPAQUE: Final = (255, 255)


def painted_mask(layers: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Black and white (mode L), white where any layer was painted on.

    Args:
        layers: RGBA of any size, stretched to `size`. Painted is what is not transparent, whatever its colour; of a
            layer that is opaque all over, as masks in files are, what is bright.
        size: (width, height) of the image that the mask belongs to.

    Raises:
        ValueError: when nothing is painted.
    """
    mask = Image.new("L", size)
    for layer in layers:
        alpha = layer.getchannel("A")
        shown = layer.convert("L") if alpha.getextrema() == OPAQUE else alpha
        mask.paste(255, mask=shown.resize(size, Image.Resampling.BILINEAR).point(lambda value: 255 * (value >= HALF)))
    if mask.getbbox() is None:
        raise ValueError("nothing is painted: paint over the part of the reference that is to be drawn anew")
    return mask
