"""Categorical attributes of a mannequin: garments, colours, hair, view; a fixed number out of a fixed vocabulary."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
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

_ROLES: Final[dict[str, Sequence[str]]] = {
    "view": VIEWS,
    "skin": SKINS,
    "hair": HAIR_STYLES,
    "hair colour": HAIRS,
    "upper": UPPER_KINDS,
    "upper colour": COLOURS,
    "upper pattern": PATTERNS,
    "upper accent": COLOURS,
    "sleeves": LENGTHS,
    "motif": MOTIFS,
    "lower": LOWER_KINDS,
    "lower colour": COLOURS,
    "lower pattern": PATTERNS,
    "legs": LENGTHS,
    "shoes": SHOE_KINDS,
    "shoe colour": COLOURS,
}

VOCABULARY: Final[dict[str, int]] = {
    attribute: number
    for number, attribute in enumerate(
        ("", *(f"{role}: {value}" for role, values in _ROLES.items() for value in values))
    )
}
"""Attribute -> number; 0 is the empty string, an attribute that is not given."""


def describe(identity: Identity, pose: BodyPose) -> tuple[str, ...]:
    """The attributes of a person in a pose: one value for each of `_ROLES`, all keys of `VOCABULARY`."""
    upper, lower = identity.upper, identity.lower
    values = {
        "view": VIEWS[round(pose.yaw / 45) % len(VIEWS)],
        "skin": _nearest(identity.skin, SKINS),
        "hair": identity.hair.style,
        "hair colour": _nearest(identity.hair.colour, HAIRS),
        "upper": upper.kind,
        "upper colour": colour_name(upper.texture.base),
        "upper pattern": upper.texture.pattern,
        "upper accent": colour_name(upper.texture.accent),
        "sleeves": _length(upper.sleeve),
        "motif": upper.chest.motif,
        "lower": lower.kind,
        "lower colour": colour_name(lower.texture.base),
        "lower pattern": lower.texture.pattern,
        "legs": _length(lower.length),
        "shoes": identity.shoes.kind,
        "shoe colour": colour_name(identity.shoes.colour),
    }
    return tuple(f"{role}: {values[role]}" for role in _ROLES)


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
