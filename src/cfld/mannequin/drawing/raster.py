"""Rasterisation of tapered tubes and ellipsoids with analytic anti-aliasing and surface coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.mannequin.drawing.identity import Array
from cfld.mannequin.drawing.textures import Surface, layer

Paint = Callable[[Surface], Array]
"""Points of a tube's surface -> colours (N, 3)."""
HeadPaint = Callable[[Array, float], tuple[Array, Array]]
"""Points (3, N) of the unit sphere (left, down, forward) and the pixel size -> colours (N, 3), alpha (N,)."""

LIGHT: Final = np.array([-0.42, -0.50, 0.757])
"""Unit vector towards the light: above and to the left of the viewer."""
AMBIENT: Final = 0.66
DIFFUSE: Final = 0.44
RIM: Final = 0.26


@dataclass(frozen=True, eq=False)
class Canvas:
    """float32 (H, W, 3) in [0, 1]; the unit image has `scale` pixels per unit and its centre at x = `middle`."""

    pixels: NDArray[np.float32]
    scale: float
    middle: float

    def to_pixels(self, point: Array) -> Array:
        """Converts (x, y, z) of the unit image to pixels."""
        return np.asarray(point * self.scale + np.array([self.middle, 0.0, 0.0]))

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice] | None:
        """Rows and columns of a box, or None if it lies outside the canvas."""
        height, width = self.pixels.shape[:2]
        rows = slice(max(0, int(np.floor(top))), min(height, int(np.ceil(bottom)) + 1))
        columns = slice(max(0, int(np.floor(left))), min(width, int(np.ceil(right)) + 1))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def blend(self, window: tuple[slice, slice], inside: NDArray[np.bool_], colours: Array, alpha: Array) -> None:
        """Blends colours over the pixels of a window selected by `inside` (h, w)."""
        region = self.pixels[window]
        region[inside] = layer(region[inside], colours, alpha)


@dataclass(frozen=True, eq=False)
class Tube:
    """A tapered tube with a straight axis.

    Attributes:
        start, end: (x, y, z) in the unit image.
        frame: (3, 3) the part's left, down, forward; `down` runs from start to end.
        stations: (K,) shares of the length, rising, at which the next are given.
        widths, depths: (K,) half width and half depth there, in the unit image.
        shift: (K,) of the middle to the part's front, in the unit image.
        v_start, length: garment coordinate at the start and true length, in body heights.
        unit: image heights per body height.
        caps: how far the round caps reach past start and end, as a share of the half width there; 0 = cut straight.
        twist: turn of the front between start and end, in radians.
        steepest: the outline's slope is softened up to this; a hem's step stays sharp.
    """

    start: Array
    end: Array
    frame: Array
    stations: Array
    widths: Array
    depths: Array
    shift: Array
    length: float
    unit: float
    v_start: float = 0.0
    caps: tuple[float, float] = (1.0, 1.0)
    twist: float = 0.0
    steepest: float = 1.6


def paint_tube(canvas: Canvas, tube: Tube, paint: Paint) -> None:
    """Draws a tube over the canvas."""
    outline = _outline(canvas, tube)
    if outline.window is None:
        return
    s, q = _local_coordinates(outline.window, outline.start, outline.axis)
    near = (np.abs(q) < outline.reach) & (s > -outline.reach) & (s < outline.length + outline.reach)
    s, q = s[near], q[near]
    clamped = np.clip(s, 0.0, outline.length)
    half = np.interp(clamped, outline.stations, outline.widths).astype(np.float32)
    if outline.middles.any():
        q = q - np.interp(clamped, outline.stations, outline.middles).astype(np.float32)
    distance = _distance(s, q, half, outline.length, tube.caps)
    distance /= np.interp(clamped, outline.stations, outline.steepness).astype(np.float32)
    alpha = np.clip(0.5 - distance, 0.0, 1.0)
    seen = alpha > 0.004
    if not seen.any():
        return
    near[near] = seen
    facing = np.interp(clamped[seen], outline.stations, outline.turns)
    t = np.clip(q[seen] / (half[seen] + 0.4), -0.985, 0.985)
    surface = _surface(tube, canvas.scale, s[seen] / outline.length, outline.length, t, half[seen], facing)
    canvas.blend(outline.window, near, paint(surface) * _shading(outline, t)[:, None], alpha[seen])


@dataclass(frozen=True, eq=False)
class _Outline:
    """The projection of a tube: start (x, y, z), axis (x, y) and everything else in pixels, (K,) at its stations.

    `widths` are half widths, `middles` how far the middle lies off the axis, `turns` the angle u that faces the viewer,
    `steepness` how much longer the outline is than the axis; `reach` bounds the distance from the axis. `across` and
    `facing` are unit vectors orthogonal to the axis, in the image and towards the viewer.
    """

    start: Array
    axis: Array
    across: Array
    facing: Array
    length: float
    stations: Array
    widths: Array
    turns: Array
    middles: Array
    steepness: Array
    reach: float
    window: tuple[slice, slice] | None


def _outline(canvas: Canvas, tube: Tube) -> _Outline:
    start, end = canvas.to_pixels(tube.start), canvas.to_pixels(tube.end)
    length = max(float(np.hypot(*(end - start)[:2])), 1e-3)
    axis = (end - start)[:2] / length if length > 0.05 else np.array([0.0, 1.0])
    across = np.array([axis[1], -axis[0], 0.0])
    left, down, forward = tube.frame
    facing = _facing(down, across)
    turns = np.arctan2(float(facing @ left), float(facing @ forward)) - tube.twist * tube.stations
    wide, deep = tube.widths * np.cos(turns), tube.depths * np.sin(turns)
    widths = (np.hypot(wide, deep) * canvas.scale).astype(np.float32)
    middles = (tube.shift * float(forward @ across) * canvas.scale).astype(np.float32)
    stations = (tube.stations * length).astype(np.float32)
    slopes = np.gradient(widths, stations) if len(stations) > 2 else np.zeros(2)
    reach = float(widths.max()) + float(np.abs(middles).max()) + 1.5
    return _Outline(
        start, axis, across, facing, length, stations, widths, middles=middles, reach=reach,
        turns=np.unwrap(np.arctan2(deep, wide)).astype(np.float32),
        steepness=np.minimum(np.hypot(1.0, slopes), tube.steepest),
        window=canvas.window(*(np.minimum(start, end)[:2] - reach), *(np.maximum(start, end)[:2] + reach)),
    )  # fmt: skip


def _local_coordinates(window: tuple[slice, slice], start: Array, axis: Array) -> tuple[Array, Array]:
    """Distances of every pixel of the window along the axis and across it, in pixels: two arrays (h, w)."""
    rows, columns = window
    x = (np.arange(columns.start, columns.stop) + 0.5 - start[0]).astype(np.float32)[None, :]
    y = (np.arange(rows.start, rows.stop) + 0.5 - start[1]).astype(np.float32)[:, None]
    e = axis.astype(np.float32)
    return x * e[0] + y * e[1], x * e[1] - y * e[0]


def _distance(s: Array, q: Array, half: Array, length: float, caps: tuple[float, float]) -> Array:
    """Signed distance to the outline in pixels, negative inside."""
    over = np.maximum(-s, s - length)
    cap = np.where(s * 2 < length, caps[0], caps[1])
    side = np.abs(q) - half
    high = half * cap
    ahead, aside = np.maximum(over, 0.0) / np.maximum(high, 1e-3), q / half
    level = np.hypot(ahead, aside)
    slope = np.hypot(ahead / np.maximum(high, 1e-3), aside / half)
    round_end = (level - 1.0) * level / np.maximum(slope, 1e-6)
    return np.where(over <= 0.0, side, np.where(high > 1.0, round_end, np.maximum(side, over - high)))


def _facing(down: Array, across: Array) -> Array:
    """Unit vector towards the viewer, orthogonal to the part's axis and to `across`."""
    facing = np.array([0.0, 0.0, 1.0]) - down[2] * down
    facing = facing - (facing @ across) * across
    norm = float(np.linalg.norm(facing))
    return facing / norm if norm > 1e-3 else np.array([0.0, -1.0, 0.0])


def _surface(tube: Tube, scale: float, share: Array, length: float, t: Array, half: Array, facing: Array) -> Surface:
    pixel = 1.0 / (scale * tube.unit)
    u = (np.arcsin(t) + facing + np.pi) % (2 * np.pi) - np.pi
    radius = float(np.sqrt(tube.widths.mean() * tube.depths.mean())) / tube.unit
    across = np.minimum(radius / (half * np.sqrt(1.0 - t * t)), 8 * pixel)
    along = min(max(tube.length / length, pixel), 8 * pixel)
    v = tube.v_start + share * tube.length
    return Surface(u.astype(np.float32), v.astype(np.float32), across.astype(np.float32), along, radius)


def _shading(outline: _Outline, t: Array) -> Array:
    """Shading of a cylinder (N,), about 1, darker at the rim."""
    lit = t * float(LIGHT @ outline.across) + np.sqrt(1.0 - t * t) * float(LIGHT @ outline.facing)
    light = AMBIENT + DIFFUSE * np.maximum(lit, 0.0) - RIM * np.abs(t) ** 7
    return np.asarray(light, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """An ellipsoid: centre (x, y, z) and radii (left, down, forward) in the unit image, and its (3, 3) frame.

    `chin` narrows the lower half, `jut` shears it forwards; both shares of a radius.
    """

    centre: Array
    radii: Array
    frame: Array
    chin: float = 0.0
    jut: float = 0.0


def paint_ellipsoid(canvas: Canvas, part: Ellipsoid, paint: HeadPaint) -> None:
    """Draws an ellipsoid over the canvas."""
    centre, radii = canvas.to_pixels(part.centre), part.radii * canvas.scale
    reach = float(radii.max()) * (1.1 + part.jut) + 1.5
    window = canvas.window(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
    if window is None:
        return
    y, x = _local_coordinates(window, centre, np.array([0.0, 1.0]))
    x = _egg(part, x, y, radii)
    form = part.frame.T @ np.diag(radii**-2.0) @ part.frame
    level, alpha = _ellipse(form, x, y)
    seen = alpha > 0.004
    inside = np.minimum(level[seen], 0.995)
    point = _front_side(form, x[seen], y[seen], inside)
    normal = form @ point
    light = LIGHT @ (normal / np.linalg.norm(normal, axis=0))
    shade = AMBIENT + DIFFUSE * np.maximum(light, 0.0) - RIM * inside**9
    colours, cover = paint((part.frame @ point) / radii[:, None], 1.0 / float(radii[1]))
    canvas.blend(window, seen, colours * shade[:, None], alpha[seen] * cover)


def _ellipse(form: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """The projection of {p: p form p = 1} along z: level (1 on the outline) and coverage of every pixel."""
    lean = form[2, :2] / form[2, 2]
    flat = form[:2, :2] - form[2, 2] * np.outer(lean, lean)
    gx, gy = flat[0, 0] * x + flat[0, 1] * y, flat[1, 0] * x + flat[1, 1] * y
    level = np.sqrt(np.maximum(x * gx + y * gy, 1e-8))
    distance = (level - 1.0) * level / np.maximum(np.hypot(gx, gy), 1e-8)
    return level, np.clip(0.5 - distance, 0.0, 1.0)


def _front_side(form: Array, x: Array, y: Array, level: Array) -> Array:
    """(3, N): the points of the ellipsoid visible at pixels (x, y)."""
    lean = form[2, :2] / form[2, 2]
    z = -(lean[0] * x + lean[1] * y) + np.sqrt((1.0 - level**2) / form[2, 2])
    return np.stack([x, y, z])


def _egg(part: Ellipsoid, x: Array, y: Array, radii: Array) -> Array:
    """Inverts `chin` and `jut`: the x at which a pixel lies on the plain ellipsoid."""
    low = y / radii[1]
    x = x - part.jut * float(part.frame[2, 0]) * radii[2] * low
    return np.asarray(x * (1.0 + part.chin * np.maximum(low, 0.0) ** 2))
