"""Paint of the body and its garments in garment coordinates: torso, hips or skirt, limbs, shoes."""

from __future__ import annotations

from typing import Final

import numpy as np

from cfld.mannequin.drawing.identity import BLACK, Array, Colour, Identity, Print, Texture, Upper, mix
from cfld.mannequin.drawing.raster import Paint
from cfld.mannequin.drawing.textures import Surface, coverage, layer, print_alpha, texture_colours, uniform

CHEST: Final = 0.105
"""Distance of a motif's centre from the neck, in body heights."""
GIRTH: Final = 0.088
"""Radius that turns the angle around the torso into a length, in body heights."""


def limb_paint(skin: Colour, texture: Texture | None = None, cover: float = 0.0, joint: float = 0.0) -> Paint:
    """A limb covered with `texture` over its first `cover` body heights, with folds at v = `joint`."""

    def paint(at: Surface) -> Array:
        colours = uniform(skin, len(at.u))
        if texture is None or at.v.min() > cover:
            return colours
        near = np.exp(-(((at.v - joint) / 0.05) ** 2))
        creases = 0.10 * near * np.maximum(0.0, np.sin(150.0 * at.v + 2.2 * at.u)) ** 2
        cloth = layer(texture_colours(texture, at), BLACK, creases)
        cloth = layer(cloth, BLACK, 0.22 * coverage(0.004 - np.abs(at.v - cover + 0.010), at.along))
        return layer(colours, cloth, coverage(cover - at.v, at.along))

    return paint


def boot_paint(inner: Paint, colour: Colour, top: float) -> Paint:
    """A shin painted by `inner`, with a boot from v = `top` on."""

    def paint(at: Surface) -> Array:
        colours = layer(inner(at), colour, coverage(at.v - top, at.along))
        return layer(colours, BLACK, 0.25 * coverage(0.004 - np.abs(at.v - top - 0.008), at.along))

    return paint


def torso_paint(person: Identity, stations: Array, widths: Array) -> Paint:
    """The upper garment with neckline, opening, motifs and hem. `widths` (body heights) at v = `stations`."""
    upper = person.upper

    def paint(at: Surface) -> Array:
        x = at.u * np.interp(at.v, stations, widths).astype(np.float32)
        colours = texture_colours(upper.texture, at)
        colours = layer(colours, BLACK, 0.05 * np.maximum(0.0, np.sin(55 * at.v + 3 * np.abs(at.u))) ** 3)
        colours = _motifs(colours, upper, at)
        colours = _opening(colours, upper, x, at)
        return _neckline(colours, person, x, at)

    return paint


def _motifs(colours: Array, upper: Upper, at: Surface) -> Array:
    """Prints on chest and back."""
    y = at.v - CHEST
    if upper.chest.motif != "none":
        colours = _print(colours, upper.chest, at.u * GIRTH, y, at)
    if upper.back.motif != "none":
        behind = (at.u % (2 * np.pi)) - np.pi
        colours = _print(colours, upper.back, behind * GIRTH, y, at)
    return colours


def _print(colours: Array, motif: Print, x: Array, y: Array, at: Surface) -> Array:
    near = (np.abs(x) < min(2.5 * motif.size, 1.5 * GIRTH)) & (np.abs(y) < 1.2 * motif.size)
    if near.any():
        colours[near] = layer(colours[near], motif.colour, print_alpha(motif, x[near], y[near], at.along))
    return colours


def _opening(colours: Array, upper: Upper, x: Array, at: Surface) -> Array:
    """A jacket's open front, a shirt's placket and buttons, a hoodie's pocket."""
    if upper.kind == "jacket":
        gap = 0.020 + 0.10 * at.v
        colours = layer(colours, upper.trim, coverage(gap + 0.017 - 0.05 * at.v - np.abs(x), at.along))
        return layer(colours, upper.inner, coverage(gap - np.abs(x), at.along))
    if upper.kind == "shirt":
        colours = layer(colours, BLACK, 0.30 * coverage(0.0025 - np.abs(x - 0.009), at.along))
        button = np.hypot(x, (at.v % 0.05) - 0.025)
        return layer(colours, mix(upper.trim, (1.0, 1.0, 1.0), 0.3), coverage(0.0055 - button, at.along))
    if upper.kind == "hoodie":
        pocket = np.minimum(0.058 - np.abs(x) + 0.35 * (at.v - 0.25), 0.035 - np.abs(at.v - 0.245))
        colours = layer(colours, BLACK, 0.26 * coverage(0.0035 - np.abs(pocket), at.along))
        cords = coverage(0.0035 - np.abs(np.abs(x) - 0.018), at.along) * coverage(0.085 - at.v, at.along)
        return layer(colours, mix(upper.texture.base, (1.0, 1.0, 1.0), 0.75), cords)
    return colours


NECKLINES: Final = {
    "t-shirt": (0.034, 0.055),
    "shirt": (0.046, 0.030),
    "jacket": (0.040, 0.040),
    "hoodie": (0.016, 0.045),
    "tank": (0.066, 0.050),
    "dress": (0.056, 0.055),
}
"""Depth below the neck and half width, in body heights."""


def _neckline(colours: Array, person: Identity, x: Array, at: Surface) -> Array:
    """Skin above the neckline, with the rim of a collar; bare shoulders of a tank top."""
    deep, wide = NECKLINES[person.upper.kind]
    share = np.minimum(np.abs(x) / wide, 1.0)
    line = deep * (1.0 - share if person.upper.kind == "shirt" else 1.0 - share**2)
    inside = line - at.v
    if person.upper.kind == "tank":
        sideways = GIRTH * np.minimum(np.abs(at.u), np.pi - np.abs(at.u))
        inside = np.maximum(inside, np.minimum(sideways - 0.072, 0.075 - at.v))
    colours = layer(colours, person.upper.trim, coverage(inside + 0.011, at.along))
    return layer(colours, person.skin, coverage(inside, at.along))


def hips_paint(texture: Texture, belt: Colour, skirt_hem: float | None = None) -> Paint:
    """Trousers around the hips, or a skirt down to `skirt_hem` (its v), with a belt at the waist."""

    def paint(at: Surface) -> Array:
        colours = texture_colours(texture, at)
        start = at.v.min() if len(at.v) else 0.0
        if skirt_hem is not None:
            depth = np.clip((at.v - start) / max(skirt_hem - start, 0.05), 0.0, 1.0)
            colours = layer(colours, BLACK, 0.16 * depth * np.maximum(0.0, np.sin(9 * at.u)) ** 2)
            colours = layer(colours, BLACK, 0.2 * coverage(0.004 - np.abs(at.v - skirt_hem + 0.012), at.along))
        else:
            fly = coverage(0.003 - np.abs(at.u * 0.09), at.along) * (at.v > start + 0.02)
            colours = layer(colours, BLACK, 0.18 * fly)
        return layer(colours, belt, coverage(start + 0.017 - at.v, at.along))

    return paint


def shoe_paint(kind: str, colour: Colour, sole: Colour, skin: Colour) -> Paint:
    """A shoe; u = 0 is the top of the foot, v runs from the heel to the toes."""

    def paint(at: Surface) -> Array:
        colours = uniform(colour, len(at.u))
        top = np.abs(at.u)
        if kind == "flats":
            bare = np.minimum(0.062 - at.v, (1.1 - top) * 0.02)
            colours = layer(colours, skin, coverage(bare, at.along))
        if kind == "sneakers":
            laces = np.minimum(0.004 - np.abs((at.v % 0.014) - 0.007), np.minimum((0.7 - top) * 0.02, 0.085 - at.v))
            colours = layer(colours, (0.97, 0.97, 0.97), coverage(laces, at.along))
        return layer(colours, sole, coverage(np.minimum((top - 2.15) * 0.02, at.v + 0.004), at.along))

    return paint
