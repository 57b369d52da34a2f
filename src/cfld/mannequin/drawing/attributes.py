"""Attributes of a mannequin as words of a fixed vocabulary: garments, colours, patterns, hair, view.

Numbers (a colour's channels, the period of a pattern, lengths) are words too, rounded to `LEVELS` steps.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from itertools import product
from typing import Final

import numpy as np

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
    Print,
    Texture,
    rgb,
)

HUES: Final = ("red", "orange", "yellow", "green", "teal", "blue", "violet", "pink")
SHADES: Final = ("pale", "bold", "dark")
NEUTRALS: Final = ("white", "grey", "black")
COLOURS: Final = (*NEUTRALS, *(f"{shade} {hue}" for shade, hue in product(SHADES, HUES)))
LENGTHS: Final = ("bare", "short", "medium", "long")
DIGITS: Final = tuple("0123456789")
VIEWS: Final = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")

LEVELS: Final = 16
"""Steps of a number that is told as a word."""

Role = tuple[Sequence[str], Callable[[Identity], str]]
"""The values of a role, and the function that gives one of them, or the empty string where the role does not apply."""


def _levels(value: Callable[[Identity], float | None], low: float = 0.0, high: float = 1.0) -> Role:
    """The role of a number in [low, high], rounded to one of `LEVELS`; None where it does not apply."""

    def level(who: Identity) -> str:
        number = value(who)
        return "" if number is None else str(round(np.clip((number - low) / (high - low), 0, 1) * (LEVELS - 1)))

    return tuple(str(step) for step in range(LEVELS)), level


def _channels(role: str, colour: Callable[[Identity], Colour | None]) -> dict[str, Role]:
    """The roles of a colour's red, green and blue."""

    def channel(index: int) -> Role:
        return _levels(lambda who: None if (found := colour(who)) is None else found[index])

    return {f"{role} {name}": channel(index) for index, name in enumerate(("red", "green", "blue"))}


def _garment(role: str, texture: Callable[[Identity], Texture]) -> dict[str, dict[str, Role]]:
    """The phrases of a garment's colour, pattern, and the pattern's second colour."""

    def patterned(who: Identity) -> Texture | None:
        found = texture(who)
        return None if found.pattern == "plain" else found

    def accent(who: Identity) -> Colour | None:
        found = patterned(who)
        return None if found is None else found.accent

    return {
        f"{role} colour": {
            f"{role} colour": (COLOURS, lambda who: colour_name(texture(who).base)),
            **_channels(f"{role} colour", lambda who: texture(who).base),
        },
        f"{role} pattern": {
            f"{role} pattern": (PATTERNS, lambda who: texture(who).pattern),
            f"{role} period": _levels(lambda who: t.period if (t := patterned(who)) else None, 0.036, 0.068),
            f"{role} duty": _levels(lambda who: t.duty if (t := patterned(who)) else None, 0.28, 0.5),
        },
        f"{role} accent": {
            f"{role} accent": (COLOURS, lambda who: colour_name(c) if (c := accent(who)) else ""),
            **_channels(f"{role} accent", accent),
        },
    }


def _motif(role: str, motif: Callable[[Identity], Print]) -> dict[str, Role]:
    def printed(who: Identity) -> Print | None:
        found = motif(who)
        return None if found.motif == "none" else found

    return {
        role: (MOTIFS, lambda who: motif(who).motif),
        **_channels(role, lambda who: p.colour if (p := printed(who)) else None),
        f"{role} size": _levels(lambda who: p.size if (p := printed(who)) else None, 0.036, 0.05),
        f"{role} digit": (DIGITS, lambda who: str(motif(who).digit) if motif(who).motif == "digit" else ""),
    }


_PHRASES: Final[dict[str, dict[str, Role]]] = {
    "figure": {
        "build": _levels(lambda who: who.proportions.build, 0.8, 1.25),
        "backdrop": _levels(lambda who: who.backdrop, 0.84, 0.96),
    },
    "skin": {"skin": (SKINS, lambda who: _nearest(who.skin, SKINS)), **_channels("skin", lambda who: who.skin)},
    "hair": {
        "hair": (HAIR_STYLES, lambda who: who.hair.style),
        "hair colour": (HAIRS, lambda who: _nearest(who.hair.colour, HAIRS)),
        **_channels("hair colour", lambda who: who.hair.colour),
        "hair length": _levels(lambda who: who.hair.length, 0.0, 0.3),
    },
    "upper": {
        "upper": (UPPER_KINDS, lambda who: who.upper.kind),
        "sleeves": (LENGTHS, lambda who: _length(who.upper.sleeve)),
        "sleeve length": _levels(lambda who: who.upper.sleeve),
        "hem": _levels(lambda who: who.upper.hem, 0.7, 1.25),
    },
    **_garment("upper", lambda who: who.upper.texture),
    "trim": {
        **_channels("trim", lambda who: who.upper.trim),
        **_channels("inner", lambda who: who.upper.inner if who.upper.kind == "jacket" else None),
    },
    "motif": _motif("motif", lambda who: who.upper.chest),
    "back motif": _motif("back motif", lambda who: who.upper.back),
    "lower": {
        "lower": (LOWER_KINDS, lambda who: who.lower.kind),
        "legs": (LENGTHS, lambda who: _length(who.lower.length)),
        "leg length": _levels(lambda who: who.lower.length),
        "flare": _levels(lambda who: who.lower.flare, 0.0, 0.07),
    },
    **_garment("lower", lambda who: who.lower.texture),
    "belt": _channels("belt", lambda who: who.lower.belt),
    "shoes": {
        "shoes": (SHOE_KINDS, lambda who: who.shoes.kind),
        "shoe colour": (COLOURS, lambda who: colour_name(who.shoes.colour)),
        **_channels("shoe colour", lambda who: who.shoes.colour),
        "shaft": _levels(lambda who: who.shoes.shaft),
    },
}
"""Phrase -> its roles. The words of a phrase share one position of a prompt."""

_ROLES: Final = {role: entry for roles in _PHRASES.values() for role, entry in roles.items()}

VALUES: Final = {role: tuple(values) for role, (values, _) in _ROLES.items()}
"""Role -> the values that it may have."""

PHRASES: Final = tuple(index for index, roles in enumerate(_PHRASES.values()) for _ in roles)
"""The phrase of each attribute of `describe`, counted from 0."""

VOCABULARY: Final[dict[str, int]] = {
    attribute: number
    for number, attribute in enumerate(
        ("", *(f"{role}: {value}" for role, values in VALUES.items() for value in values))
    )
}
"""Attribute -> number; 0 is the empty string, an attribute that is not given."""


def view(pose: BodyPose) -> str:
    """The side from which a pose is seen, one of `VIEWS`."""
    return VIEWS[round(pose.yaw / 45) % len(VIEWS)]


def describe(identity: Identity) -> tuple[str, ...]:
    """The attributes of a person, all keys of `VOCABULARY`: one for each role, empty where it has none."""
    values = ((role, value(identity)) for role, (_, value) in _ROLES.items())
    return tuple(f"{role}: {value}" if value else "" for role, value in values)


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
