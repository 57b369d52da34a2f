"""Renders an identity in a pose: the parts of the figure are drawn from far to near (painter's algorithm)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.mannequin.drawing import figure, garments
from cfld.mannequin.drawing.body import BodyPose, PlacedBody, frame_transform, place_joints
from cfld.mannequin.drawing.head import hanging_hair, paint_head, paint_hood
from cfld.mannequin.drawing.identity import Array, Identity, mix
from cfld.mannequin.drawing.raster import Canvas, Tube, paint_tube

Part = tuple[float, Callable[[], None]]
"""(depth, larger = nearer to the viewer; function that draws the part)."""

DRAWING: Final = 2
"""Version of the drawing code, increased whenever a random seed gives another image; versions are never mixed."""
BEHIND: Final = -0.035
"""An arm at least this far behind the centre of the torso, in image heights, is hidden by it."""


def render(identity: Identity, body_pose: BodyPose, size: tuple[int, int] = (256, 176)) -> NDArray[np.uint8]:
    """Renders a person in a pose.

    Args:
        size: (height, width) in pixels; the figure is the same at any size.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    if len(size) != 2 or min(size) < 16:
        raise ValueError(f"size must be (height, width) of at least 16 pixels each, got {size}")
    body = place_joints(identity, body_pose)
    scale, middle = frame_transform(size)
    canvas = Canvas(_backdrop(identity, size), scale, middle)
    _paint_shadow(canvas, body)
    for _, draw in sorted(_parts(canvas, identity, body, body_pose), key=lambda part: part[0]):
        draw()
    return (np.clip(canvas.pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _backdrop(person: Identity, size: tuple[int, int]) -> NDArray[np.float32]:
    """A smooth, light studio background."""
    y = (np.linspace(0, 1, size[0]) - 0.4)[:, None]
    x = (np.linspace(-1, 1, size[1]))[None, :]
    grey = person.backdrop + 0.045 - 0.07 * y**2 - 0.035 * x**2
    return np.repeat(grey.astype(np.float32)[..., None], 3, axis=2)


def _paint_shadow(canvas: Canvas, body: PlacedBody) -> None:
    """Draws a soft shadow on the floor under each foot."""
    for side in ("left", "right"):
        foot = (body.points[f"{side}_heel"] + body.points[f"{side}_toes"]) / 2
        x, y, _ = canvas.to_pixels(foot + np.array([0.0, 0.02 * body.scale, 0.0]))
        wide, high = 0.075 * canvas.scale, 0.014 * canvas.scale
        window = canvas.window(x - 2 * wide, y - 2.4 * high, x + 2 * wide, y + 2.4 * high)
        if window is None:
            continue
        rows, columns = window
        down = np.exp(-(((np.arange(rows.start, rows.stop) + 0.5 - y) / high) ** 2))
        across = np.exp(-(((np.arange(columns.start, columns.stop) + 0.5 - x) / wide) ** 2))
        canvas.pixels[window] *= (1.0 - 0.16 * np.outer(down, across)).astype(np.float32)[..., None]


def _parts(canvas: Canvas, person: Identity, body: PlacedBody, pose: BodyPose) -> Iterator[Part]:
    """All parts with their depths. Legs are sorted by depth; torso, arms and head are drawn over them."""
    legs = list(_leg_parts(canvas, person, body))
    yield from legs
    middle = max(depth for depth, _ in legs) + 0.01
    yield from _trunk_parts(canvas, person, body, pose, middle)
    yield from _head_parts(canvas, person, body, middle)
    for side in ("left", "right"):
        yield from _arm_parts(canvas, person, body, side, middle)


def _leg_parts(canvas: Canvas, person: Identity, body: PlacedBody) -> Iterator[Part]:
    p, lower = person.proportions, person.lower
    reach = 0.0 if lower.kind == "skirt" else lower.length * (p.thigh + p.shin)
    paint = garments.limb_paint(person.skin, lower.texture if reach else None, reach, p.thigh)
    shin_paint = paint
    if person.shoes.shaft:
        shin_paint = garments.boot_paint(paint, person.shoes.colour, p.thigh + p.shin * (1.0 - person.shoes.shaft))
    shoe_paint = garments.shoe_paint(person.shoes.kind, person.shoes.colour, person.shoes.sole, person.skin)
    for side in ("left", "right"):
        hip, knee, ankle = (body.points[f"{side}_{joint}"][2] for joint in ("hip", "knee", "ankle"))
        thigh, shin = leg_tubes(person, body, side, reach)
        shoe = figure.shoe(body, side, person.shoes.kind)
        yield (knee + ankle) / 2 - 0.004, partial(paint_tube, canvas, shoe, shoe_paint)
        yield (knee + ankle) / 2, partial(paint_tube, canvas, shin, shin_paint)
        yield (hip + knee) / 2, partial(paint_tube, canvas, thigh, paint)


def leg_tubes(person: Identity, body: PlacedBody, side: str, reach: float) -> tuple[Tube, Tube]:
    """Thigh and shin, widened where trousers cover them."""
    p = person.proportions
    flare = 0.004 + person.lower.flare
    profile = figure.THIGH if reach else figure.BARE_THIGH
    ease = (reach / p.thigh, flare * 0.4, flare * 0.4)
    thigh = figure.limb(body, side, "thigh", profile, p.build, ease, caps=(0.3, 1.0))
    cover = min((reach - p.thigh) / p.shin, 1.0 - person.shoes.shaft)
    hem = 0.5 * flare if person.shoes.shaft else flare
    ease = (cover, 0.4 * flare, hem)
    return thigh, figure.limb(body, side, "shin", figure.SHIN, p.build, ease, v_start=p.thigh)


def _trunk_parts(canvas: Canvas, person: Identity, body: PlacedBody, pose: BodyPose, middle: float) -> Iterator[Part]:
    """Neck, upper garment, and hips or skirt, the garment that is tucked in comes first."""
    tucked = person.upper.hem < 0.8
    stations, widths = figure.TORSO * person.proportions.torso, figure.torso_widths(person)
    tube = figure.torso(person, body, np.deg2rad(pose.twist))
    neck_paint = garments.limb_paint(mix(person.skin, (0.35, 0.15, 0.1), 0.16))  # in the shadow of the head
    yield middle + 0.001, partial(paint_tube, canvas, figure.neck(person, body), neck_paint)
    yield middle + 0.002, partial(paint_tube, canvas, tube, garments.torso_paint(person, stations, widths))
    if person.upper.kind == "hoodie":
        from_behind = body.frames["chest"][2][2] <= -0.1
        hood = 0.004 if from_behind else 0.0005  # over the back, or behind the neck
        yield middle + hood, partial(paint_hood, canvas, person, body)
    if person.lower.kind == "skirt":
        lower = figure.skirt(person, body)
        hem = lower.v_start + lower.length
    else:
        lower, hem = figure.hips(person, body), None
    paint = garments.hips_paint(person.lower.texture, person.lower.belt, hem)
    yield middle + (0.003 if tucked else 0.0), partial(paint_tube, canvas, lower, paint)


def _head_parts(canvas: Canvas, person: Identity, body: PlacedBody, middle: float) -> Iterator[Part]:
    """The head, and hanging hair: behind the neck seen from the front, over the back seen from behind."""
    near = middle + 0.05 + body.points["head"][2]
    yield near, partial(paint_head, canvas, person, body)
    forward = body.frames["head"][2][2]
    over_head = forward < -0.3 if person.hair.style in ("long", "bob") else forward < 0.0
    depth = near + 0.001 if over_head else near - 0.001
    if person.hair.style in ("long", "bob", "ponytail") and forward > 0.3:
        depth = middle + 0.0005
    yield depth, partial(hanging_hair, canvas, person, body)


def _arm_parts(canvas: Canvas, person: Identity, body: PlacedBody, side: str, middle: float) -> Iterator[Part]:
    p, upper = person.proportions, person.upper
    reach = upper.sleeve * (p.upper_arm + p.forearm)
    paint = garments.limb_paint(person.skin, upper.texture if reach else None, reach, p.upper_arm)
    skin = garments.limb_paint(person.skin)
    points = [body.points[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist", "fingers")]
    loose = upper.ease + 0.002
    ease = (reach / p.upper_arm, loose, loose)
    arm = figure.limb(body, side, "upper_arm", figure.UPPER_ARM, p.build, ease, caps=(0.4, 1.0))
    ease = ((reach - p.upper_arm) / p.forearm, loose, loose)
    fore = figure.limb(body, side, "forearm", figure.FOREARM, p.build, ease, v_start=p.upper_arm)
    depths = [_arm_depth(a, b, middle) for a, b in pairwise(points)]
    yield depths[0], partial(paint_tube, canvas, arm, paint)
    yield depths[1], partial(paint_tube, canvas, fore, paint)
    yield min(depths[2], depths[1] - 1e-4), partial(paint_tube, canvas, figure.hand(body, side), skin)
    yield min(depths[2], depths[1]) - 2e-4, partial(paint_tube, canvas, figure.thumb(body, side), skin)


def _arm_depth(start: Array, end: Array, middle: float) -> float:
    """Depth of an arm segment: in front of the torso, or behind everything."""
    depth = float(start[2] + end[2]) / 2
    return middle + 0.05 + depth if depth > BEHIND else depth - 1.0
