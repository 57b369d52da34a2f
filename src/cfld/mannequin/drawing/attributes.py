"""Categorical attributes of a mannequin: garments, colours, hair, view; a fixed number out of a fixed vocabulary."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final

from cfld.mannequin.drawing.body import BodyPose
from cfld.mannequin.drawing.identity import (
    HAIR_STYLES,
    HAIRS,
    LOWER_KINDS,
    MOTIFS,
    PATTERNS,
    SHOE_KINDS,
    SKINS,
    UPPER_KINDS,
    Colour,
    Identity,
    rgb,
)

HUES: Final = ("red", "orange", "yellow", "green", "teal", "blue", "violet", "pink")
SHADES: Final = ("pale", "bold", "dark")
NEUTRALS: Final = ("white", "grey", "black")
COLOURS: Final = (*NEUTRALS, *(f"{shade} {hue}" for shade, hue in product(SHADES, HUES)))
LENGTHS: Final = ("bare", "short", "medium", "long")
VIEWS: Final = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")

_ROLES: Final[dict[str, tuple[Sequence[str], Callable[[Identity, BodyPose], str]]]] = {
    "view": (VIEWS, lambda _, pose: VIEWS[round(pose.yaw / 45) % len(VIEWS)]),
    "skin": (SKINS, lambda who, _: _nearest(who.skin, SKINS)),
    "hair": (HAIR_STYLES, lambda who, _: who.hair.style),
    "hair colour": (HAIRS, lambda who, _: _nearest(who.hair.colour, HAIRS)),
    "upper": (UPPER_KINDS, lambda who, _: who.upper.kind),
    "upper colour": (COLOURS, lambda who, _: colour_name(who.upper.texture.base)),
    "upper pattern": (PATTERNS, lambda who, _: who.upper.texture.pattern),
    "upper accent": (COLOURS, lambda who, _: colour_name(who.upper.texture.accent)),
    "sleeves": (LENGTHS, lambda who, _: _length(who.upper.sleeve)),
    "motif": (MOTIFS, lambda who, _: who.upper.chest.motif),
    "lower": (LOWER_KINDS, lambda who, _: who.lower.kind),
    "lower colour": (COLOURS, lambda who, _: colour_name(who.lower.texture.base)),
    "lower pattern": (PATTERNS, lambda who, _: who.lower.texture.pattern),
    "legs": (LENGTHS, lambda who, _: _length(who.lower.length)),
    "shoes": (SHOE_KINDS, lambda who, _: who.shoes.kind),
    "shoe colour": (COLOURS, lambda who, _: colour_name(who.shoes.colour)),
}
"""Role -> its values, and the function that gives one of them."""

VOCABULARY: Final[dict[str, int]] = {
    attribute: number
    for number, attribute in enumerate(
        ("", *(f"{role}: {value}" for role, (values, _) in _ROLES.items() for value in values))
    )
}
"""Attribute -> number; 0 is the empty string, an attribute that is not given."""


def describe(identity: Identity, pose: BodyPose) -> tuple[str, ...]:
    """The attributes of a person in a pose: one value for each of `_ROLES`, all keys of `VOCABULARY`."""
    return tuple(f"{role}: {value(identity, pose)}" for role, (_, value) in _ROLES.items())


def colour_name(colour: Colour) -> str:
    """The name of a colour, one of `COLOURS`."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    if value < 0.25 or saturation < 0.15:
        return NEUTRALS[2 if value < 0.35 else 1 if value < 0.75 else 0]
    shade = SHADES[2 if value < 0.5 else 0 if saturation < 0.55 else 1]
    return f"{shade} {HUES[round(hue * len(HUES)) % len(HUES)]}"


def _nearest(colour: Colour, codes: Sequence[str]) -> str:
    return min(codes, key=lambda code: sum((a - b) ** 2 for a, b in zip(colour, rgb(code), strict=True)))


def _length(share: float) -> str:
    return LENGTHS[0 if share < 0.1 else 1 if share < 0.5 else 2 if share < 0.85 else 3]
