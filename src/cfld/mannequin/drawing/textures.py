"""Colours of garments at garment coordinates, anti-aliased by the pixel size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cfld.mannequin.drawing.identity import Array, Colour, Print, Texture


@dataclass(frozen=True, eq=False)
class Surface:
    """The N visible surface points of a body part.

    Attributes:
        u: angle around the part in radians: 0 = its front, +pi/2 = its left, +-pi = its back. (N,)
        v: distance along the part from its start, in body heights. (N,)
        across, along: size of a pixel around the part and along it, in body heights. (N,), float
        radius: of the part, for turning u into a length, in body heights.
    """

    u: Array
    v: Array
    across: Array
    along: float
    radius: float


def coverage(distance: Array, footprint: Array | float) -> Array:
    """Share of a pixel inside an edge, at a signed `distance` from it (positive = inside)."""
    return np.asarray(np.clip(0.5 + distance / footprint, 0.0, 1.0))


def layer(colours: Array, colour: Colour | Array, alpha: Array | float) -> Array:
    """Blends `colour` over `colours` (N, 3) with opacity `alpha` (N,)."""
    return colours + (np.asarray(colour, dtype=np.float32) - colours) * np.asarray(alpha, dtype=np.float32)[..., None]


def uniform(colour: Colour, count: int) -> Array:
    """float32 (count, 3) of one colour."""
    return np.tile(np.asarray(colour, dtype=np.float32), (count, 1))


def texture_colours(texture: Texture, at: Surface) -> Array:
    """float32 (N, 3): the texture at surface points."""
    base = uniform(texture.base, len(at.u))
    if texture.pattern == "plain":
        return base
    return layer(base, texture.accent, PATTERN_ALPHA[texture.pattern](texture, at))


def _band(position: Array, period: float, duty: float, footprint: Array | float) -> Array:
    """Coverage of stripes of width `duty * period` every `period`."""
    off = np.abs((position / period) % 1.0 - 0.5) * period
    return coverage(duty * period / 2 - off, footprint)


def _around(texture: Texture, at: Surface) -> tuple[Array, float]:
    """Position around the part as a length, and the period rounded to an even number of repeats."""
    repeats = max(4, 2 * round(np.pi * at.radius / texture.period))
    return at.u * at.radius, 2 * np.pi * at.radius / repeats


def _hoops(texture: Texture, at: Surface) -> Array:
    return _band(at.v, texture.period, texture.duty, at.along)


def _pinstripes(texture: Texture, at: Surface) -> Array:
    position, period = _around(texture, at)
    return _band(position, period, texture.duty * 0.8, at.across)


def _checks(texture: Texture, at: Surface) -> Array:
    return 0.5 * _hoops(texture, at) + 0.5 * _pinstripes(texture, at)


def _dots(texture: Texture, at: Surface) -> Array:
    position, period = _around(texture, at)
    row = np.floor(at.v / period)
    x = ((position / period + 0.5 * (row % 2)) % 1.0 - 0.5) * period
    y = (at.v / period - row - 0.5) * period
    return coverage(period * (0.2 + 0.25 * texture.duty) - np.hypot(x, y), at.along)


def _diagonal(texture: Texture, at: Surface) -> Array:
    position, period = _around(texture, at)
    return _band(position + at.v, period, texture.duty, at.across * 0.6 + at.along * 0.6)


def _blotches(texture: Texture, at: Surface) -> Array:
    k, v = 2 * np.pi / (2.2 * texture.period), at.v
    turns = max(1, round(k * at.radius))
    field = np.sin(turns * at.u + 1.7 * np.sin(k * v)) + np.sin(1.3 * k * v + 1.2 * np.cos(turns * at.u + 0.6))
    return coverage((field - 0.25) * texture.period * 0.3, at.along)


PATTERN_ALPHA: Final[dict[str, Callable[[Texture, Surface], Array]]] = {
    "hoops": _hoops,
    "pinstripes": _pinstripes,
    "checks": _checks,
    "dots": _dots,
    "diagonal": _diagonal,
    "blotches": _blotches,
}


def print_alpha(motif: Print, x: Array, y: Array, footprint: float) -> Array:
    """Coverage of a motif. `x` to the wearer's left, `y` down, in body heights from its centre."""
    inside = MOTIF_DEPTH[motif.motif](x / motif.size, y / motif.size, motif.digit)
    return coverage(inside * motif.size, footprint)


def _star(x: Array, y: Array, _: int) -> Array:
    sector, inner = 2 * np.pi / 5, 0.45
    angle = np.abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)
    across, up = np.hypot(x, y) * np.sin(angle), np.hypot(x, y) * np.cos(angle)
    edge_across, edge_up = inner * np.sin(sector / 2), inner * np.cos(sector / 2) - 1.0
    return np.asarray((across * edge_up - (up - 1.0) * edge_across) / np.hypot(edge_across, edge_up))


def _heart(x: Array, y: Array, _: int) -> Array:
    x = np.abs(x)
    lobe = 0.48 - np.hypot(x - 0.42, y + 0.36)
    tip = np.minimum((0.80 - y - 1.12 * x) / 1.5, y + 0.36)
    return np.asarray(np.maximum(lobe, tip))


SEGMENTS: Final = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abfgcd")
SEGMENT_BOXES: Final = {
    "a": (0.0, -0.82, 0.5, 0.16),
    "b": (0.42, -0.41, 0.16, 0.5),
    "c": (0.42, 0.41, 0.16, 0.5),
    "d": (0.0, 0.82, 0.5, 0.16),
    "e": (-0.42, 0.41, 0.16, 0.5),
    "f": (-0.42, -0.41, 0.16, 0.5),
    "g": (0.0, 0.0, 0.5, 0.16),
}
"""Centres and half extents of the seven segments of a digit."""


def _digit(x: Array, y: Array, digit: int) -> Array:
    boxes = [SEGMENT_BOXES[name] for name in SEGMENTS[digit]]
    depths = [np.minimum(w - np.abs(x - cx), h - np.abs(y - cy)) for cx, cy, w, h in boxes]
    return np.asarray(np.max(np.stack(depths), axis=0))


MOTIF_DEPTH: Final[dict[str, Callable[[Array, Array, int], Array]]] = {
    "star": _star,
    "heart": _heart,
    "disc": lambda x, y, _: 0.9 - np.hypot(x, y),
    "ring": lambda x, y, _: 0.24 - np.abs(np.hypot(x, y) - 0.7),
    "digit": _digit,
    "triangle": lambda x, y, _: np.minimum(0.7 - y, (y + 0.9 - 1.75 * np.abs(x)) / 2.0),
    "band": lambda x, y, _: np.minimum(0.32 - np.abs(y), 2.4 - np.abs(x)),
}
