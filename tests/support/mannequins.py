"""A mannequin on which nothing is magenta, and the count of magenta pixels in an image of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cfld.mannequin import Identity, Texture, sample_identity
from cfld.mannequin.drawing.identity import Print

MAGENTA = (1.0, 0.0, 1.0)
GREY = Texture("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def grey_identity(**upper: object) -> Identity:
    """A bald person in a plain grey T-shirt and trousers: nothing on it is magenta."""
    person = sample_identity(3)
    plain = replace(
        person.upper, kind="t-shirt", texture=GREY, trim=GREY.base, sleeve=0.95, hem=1.0, chest=Print(), back=Print()
    )
    return replace(
        person,
        skin=(0.8, 0.7, 0.6),
        hair=replace(person.hair, style="bald"),
        upper=replace(plain, **upper),
        lower=replace(person.lower, kind="trousers", texture=GREY, belt=GREY.base, length=0.95),
        shoes=replace(person.shoes, colour=GREY.base, sole=GREY.base),
    )


def magenta(image: NDArray[np.uint8]) -> int:
    """Number of pixels that are clearly magenta."""
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    return int(((red - green > 80) & (blue - green > 80)).sum())
