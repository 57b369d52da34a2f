"""The head: face, ears and hair, drawn on ellipsoids in coordinates of the head."""

from __future__ import annotations

from functools import partial

import numpy as np

from cfld.mannequin.drawing.body import HEAD_RADII, SIDES, PlacedBody
from cfld.mannequin.drawing.identity import BLACK, Array, Colour, Identity, mix
from cfld.mannequin.drawing.raster import Canvas, Ellipsoid, HeadPaint, Tube, paint_ellipsoid, paint_tube
from cfld.mannequin.drawing.textures import Surface, coverage, layer, uniform

Point = tuple[float, float, float]


def paint_head(canvas: Canvas, person: Identity, body: PlacedBody) -> None:
    """Draws ears, skull with face, nose, and the hair on the skull, from far to near."""
    left, _, forward = body.frames["head"][:, 2]
    nose = partial(
        _paint_lump, canvas, person, body, (0.0, 0.20, 0.93), (0.0065, 0.012, 0.0095),
        mix(person.skin, (0.75, 0.3, 0.2), 0.10), chin=-0.35,
    )  # fmt: skip
    if forward < 0.12:
        nose()
    paint_ellipsoid(canvas, _skull(person, body, 1.0), _face_paint(person))
    for sign in SIDES.values():
        if left * sign > -0.3:
            tone = mix(person.skin, (0.6, 0.2, 0.15), 0.12)
            _paint_lump(canvas, person, body, (sign * 0.98, 0.08, -0.08), (0.008, 0.016, 0.011), tone)
    if forward >= 0.12:
        nose()
    if person.hair.style != "bald":
        paint_ellipsoid(canvas, _skull(person, body, 1.09), _hair_paint(person))


def _skull(person: Identity, body: PlacedBody, swell: float) -> Ellipsoid:
    radii = HEAD_RADII * person.proportions.head * body.scale
    return Ellipsoid(body.points["head"], radii * swell, body.frames["head"], chin=0.30 / swell, jut=0.10)


def _face_paint(person: Identity) -> HeadPaint:
    """Skin with brows, eyes, cheeks and mouth, in (azimuth, height) coordinates of the face."""
    brow = mix(person.hair.colour, BLACK, 0.35)

    def paint(point: Array, pixel: float) -> tuple[Array, Array]:
        colours = uniform(person.skin, point.shape[1])
        azimuth, height = np.arctan2(point[0], point[2]), point[1]
        side = np.abs(azimuth)
        blur = pixel * 1.1
        blush = np.exp(-(((side - 0.6) / 0.25) ** 2) - ((height - 0.32) / 0.15) ** 2)
        colours = layer(colours, (0.85, 0.35, 0.32), 0.20 * blush)
        arch = height + 0.27 - 0.12 * (side - 0.42)
        colours = layer(colours, brow, 0.9 * _oval(side - 0.42, arch, 0.23, 0.045, blur))
        colours = layer(colours, (0.96, 0.95, 0.94), _oval(side - 0.42, height + 0.05, 0.20, 0.085, blur))
        colours = layer(colours, person.eyes, _oval(side - 0.42, height + 0.05, 0.105, 0.095, blur))
        colours = layer(
            colours, mix(person.skin, BLACK, 0.75), 0.6 * _oval(side - 0.42, height + 0.135, 0.23, 0.03, blur)
        )
        smile = height - 0.57 + 0.35 * azimuth**2
        colours = layer(colours, person.lips, _oval(azimuth, smile, 0.30, 0.065, blur))
        colours = layer(colours, mix(person.lips, BLACK, 0.5), 0.7 * _oval(azimuth, smile + 0.005, 0.27, 0.014, blur))
        return colours, np.ones(point.shape[1], dtype=np.float32)

    return paint


def _oval(x: Array, y: Array, width: float, height: float, blur: float) -> Array:
    """Coverage of an axis-aligned ellipse with half axes `width` and `height`."""
    level = np.hypot(x / width, y / height)
    return coverage((1.0 - level) * min(width, height), blur)


def _plain(colour: Colour) -> HeadPaint:
    def paint(point: Array, _: float) -> tuple[Array, Array]:
        return uniform(colour, point.shape[1]), np.ones(point.shape[1])

    return paint


def _on_head(person: Identity, body: PlacedBody, at: Point) -> Array:
    """The point at coordinates in half axes of the head (left, down, forward)."""
    half_axes = HEAD_RADII * person.proportions.head * body.scale
    return np.asarray(body.points["head"] + np.array(at) * half_axes @ body.frames["head"])


def _paint_lump(
    canvas: Canvas, person: Identity, body: PlacedBody, at: Point, radii: Point, colour: Colour, chin: float = 0.0
) -> None:
    """Draws an ellipsoid on the head: an ear, the nose, a bun. Its `radii` are in body heights of an average head."""
    size = np.array(radii) * person.proportions.head * body.scale
    paint_ellipsoid(canvas, Ellipsoid(_on_head(person, body, at), size, body.frames["head"], chin), _plain(colour))


def hairline(person: Identity, azimuth: Array) -> Array:
    """Height at which the hair ends at an azimuth, in half axes of the head, downwards."""
    side = np.abs(azimuth)
    brow = -0.62 + 0.30 * person.hair.fringe + 0.10 * np.sin(3 * azimuth + 6 * person.hair.fringe)
    hanging = person.hair.style in ("bob", "long")
    nape = {"crop": 0.30, "short": 0.45}.get(person.hair.style, 0.85 if hanging else 0.55)
    temple = nape if hanging else 0.05 if person.hair.style != "crop" else -0.15
    rest = np.interp(side, (0.0, 0.85, 1.12, 1.65, 2.0, 3.2), (-2.0, -2.0, temple, temple, nape, nape))
    return np.asarray(np.maximum(brow, rest))


def _hair_paint(person: Identity) -> HeadPaint:
    colour, cropped = person.hair.colour, person.hair.style == "crop"

    def paint(point: Array, pixel: float) -> tuple[Array, Array]:
        azimuth = np.arctan2(point[0], point[2])
        strands = 1.0 + 0.10 * np.sin(14 * azimuth + 5 * point[1])
        colours = (np.asarray(colour, dtype=np.float32) * strands[:, None]).astype(np.float32)
        alpha = coverage(hairline(person, azimuth) - point[1], pixel * 1.3)
        return colours, alpha * (0.88 if cropped else 1.0)

    return paint


def hanging_hair(canvas: Canvas, person: Identity, body: PlacedBody) -> None:
    """Draws the hair off the skull: a bun, a ponytail, long hair."""
    style = person.hair.style
    if style == "bun":
        colour = mix(person.hair.colour, BLACK, 0.06)
        _paint_lump(canvas, person, body, (0.0, -0.92, -0.72), (0.026, 0.024, 0.024), colour)
    elif style == "ponytail":
        _fall(canvas, person, body, (0.0, -0.35, -1.0), (0.012, 0.022, 0.020, 0.006), person.hair.length * 0.9)
    elif style in ("long", "bob"):
        length = 0.085 if style == "bob" else 0.06 + person.hair.length
        _fall(canvas, person, body, (0.0, 0.0, -0.35), (0.048, 0.056, 0.058, 0.044), length)


def paint_hood(canvas: Canvas, person: Identity, body: PlacedBody) -> None:
    """Draws a hood on the shoulders, behind the neck."""
    frame, scale = body.frames["chest"], body.scale
    centre = body.points["neck"] + np.array([0.0, 0.008, -0.040]) @ frame * scale
    radii = np.array([0.064, 0.036, 0.030]) * scale
    paint_ellipsoid(canvas, Ellipsoid(centre, radii, frame), _plain(mix(person.upper.texture.base, BLACK, 0.08)))


def _fall(
    canvas: Canvas, person: Identity, body: PlacedBody,
    root: Point, widths: tuple[float, ...], length: float,
) -> None:  # fmt: skip
    """Draws hair that hangs from `root` on the head down the back."""
    frame = body.frames["head"]
    start = _on_head(person, body, root)
    down = np.array([0.0, 1.0, 0.0]) - 0.10 * frame[2]
    end = start + down / np.linalg.norm(down) * length * body.scale
    girth = np.array(widths) * person.proportions.head * body.scale
    stations = np.array([0.0, 0.3, 0.75, 1.0])
    depth = np.minimum(girth, 0.030 * body.scale)
    tube = Tube(start, end, frame, stations, girth, depth, np.zeros(4), length, body.scale, caps=(0.8, 0.5))

    def strands(at: Surface) -> Array:
        streaks = 1.0 + 0.10 * np.sin(12 * at.u + 20 * at.v)
        return uniform(mix(person.hair.colour, BLACK, 0.08), len(at.u)) * streaks[:, None]

    paint_tube(canvas, tube, strands)
