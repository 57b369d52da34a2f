"""Rasterisation of tubes and ellipsoids: covered area, front and back, and what lies outside the canvas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.mannequin.drawing.raster import Canvas, Ellipsoid, Tube, paint_ellipsoid, paint_tube
from cfld.mannequin.drawing.textures import Surface

Array = NDArray[np.floating]
UPRIGHT = Tube(
    start=np.array([0.0, 0.25, 0.0]),
    end=np.array([0.0, 0.75, 0.0]),
    frame=np.eye(3),
    stations=np.array([0.0, 1.0]),
    widths=np.array([0.1, 0.1]),
    depths=np.array([0.1, 0.1]),
    shift=np.zeros(2),
    length=0.5,
    unit=1.0,
    caps=(0.0, 0.0),
)
BALL = Ellipsoid(np.array([0.0, 0.5, 0.0]), np.array([0.2, 0.2, 0.2]), np.eye(3))


def blank() -> Canvas:
    return Canvas(np.zeros((200, 200, 3), dtype=np.float32), scale=200.0, middle=100.0)


def white(at: Surface) -> Array:
    return np.ones((len(at.u), 3), dtype=np.float32)


def white_ball(point: Array, _: float) -> tuple[Array, Array]:
    return np.ones((point.shape[1], 3), dtype=np.float32), np.ones(point.shape[1], dtype=np.float32)


def covered(canvas: Canvas) -> float:
    """Area of the pixels that were painted, in the unit image."""
    return float((canvas.pixels > 0.2).all(axis=2).sum()) / canvas.scale**2


def test_a_tube_covers_its_width_times_its_length() -> None:
    canvas = blank()
    paint_tube(canvas, UPRIGHT, white)
    assert covered(canvas) == pytest.approx(0.2 * 0.5, rel=0.05)
    rows, columns = np.nonzero(canvas.pixels[..., 0] > 0.2)
    assert (rows.min(), rows.max()) == pytest.approx((50, 149), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((80, 119), abs=1)


def test_round_caps_extend_a_tube() -> None:
    canvas = blank()
    paint_tube(canvas, replace(UPRIGHT, caps=(1.0, 1.0)), white)
    assert covered(canvas) == pytest.approx(0.2 * 0.5 + np.pi * 0.1**2, rel=0.05)


def test_surface_coordinates_run_along_and_around_a_tube() -> None:
    seen: list[Surface] = []

    def paint(at: Surface) -> Array:
        seen.append(at)
        return white(at)

    paint_tube(blank(), replace(UPRIGHT, v_start=2.0), paint)
    (at,) = seen
    assert (at.v.min(), at.v.max()) == pytest.approx((2.0, 2.5), abs=0.02)
    assert np.abs(at.u).max() < np.pi / 2
    backwards = replace(UPRIGHT, frame=np.diag([-1.0, 1.0, -1.0]))
    paint_tube(blank(), backwards, paint)
    assert np.abs(seen[1].u).min() > np.pi / 2 - 0.01


def test_an_ellipsoid_covers_its_silhouette() -> None:
    canvas = blank()
    paint_ellipsoid(canvas, BALL, white_ball)
    assert covered(canvas) == pytest.approx(np.pi * 0.2**2, rel=0.05)


def test_a_ball_is_lit_from_above_left() -> None:
    canvas = blank()
    paint_ellipsoid(canvas, BALL, white_ball)
    assert canvas.pixels[80, 80, 0] > canvas.pixels[120, 120, 0]


def test_what_lies_outside_the_canvas_is_not_drawn() -> None:
    canvas, far = blank(), np.array([5.0, 0.0, 0.0])
    paint_tube(canvas, replace(UPRIGHT, start=UPRIGHT.start + far, end=UPRIGHT.end + far), white)
    paint_ellipsoid(canvas, replace(BALL, centre=BALL.centre + far), white_ball)
    assert not canvas.pixels.any()
    assert canvas.window(300, 0, 310, 10) is None
