"""The tubes of a body: position and thickness. All profiles in body heights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from cfld.mannequin.drawing.body import PlacedBody
from cfld.mannequin.drawing.identity import Array, Identity
from cfld.mannequin.drawing.raster import Tube

ENDS: Final = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shin": ("knee", "ankle"),
}
Profile = tuple[tuple[float, ...], tuple[float, ...]]
"""Stations from 0 to 1, and half widths at them."""
UPPER_ARM: Final[Profile] = ((0.0, 0.3, 0.7, 1.0), (0.034, 0.034, 0.029, 0.026))
FOREARM: Final[Profile] = ((0.0, 0.3, 0.7, 1.0), (0.026, 0.028, 0.022, 0.018))
THIGH: Final[Profile] = ((0.0, 0.25, 0.6, 1.0), (0.047, 0.052, 0.046, 0.038))
BARE_THIGH: Final[Profile] = (THIGH[0], (0.034, 0.050, 0.046, 0.038))
SHIN: Final[Profile] = ((0.0, 0.3, 0.6, 1.0), (0.038, 0.042, 0.033, 0.024))
WAIST: Final = 0.64
"""Position of the waist between neck (0) and hips (1)."""
TORSO: Final = np.array([0.0, 0.035, 0.07, 0.18, 0.36, 0.50, WAIST, 0.84, 1.0, 1.25])
TORSO_DEPTH: Final = np.array([0.036, 0.044, 0.052, 0.060, 0.076, 0.071, 0.066, 0.074, 0.082, 0.084])
TORSO_SHIFT: Final = np.array([-0.006, -0.005, -0.003, 0.0, 0.010, 0.008, 0.004, -0.004, -0.012, -0.010])


def torso_widths(person: Identity) -> Array:
    """Half widths of the torso at `TORSO`, in body heights."""
    p = person.proportions
    chest = 0.55 * p.shoulder + 0.052
    shoulders = [0.038, 0.78 * p.shoulder, p.shoulder + 0.002, p.shoulder - 0.002]
    below = [chest, 0.5 * (chest + p.waist), p.waist, 0.9 * p.hip, p.hip, p.hip]
    return np.array(shoulders + below) * _girth(person)


def _girth(person: Identity) -> float:
    """Factor of the torso's girth, which varies less with the build than that of the limbs."""
    return 0.4 + 0.6 * person.proportions.build


def limb(
    body: PlacedBody, side: str, part: str, profile: Profile, build: float, ease: Sequence[float], **more: Any
) -> Tube:
    """Half of an arm or leg. `ease`: share of its length covered by cloth, looseness at start and hem."""
    start, end = (body.points[f"{side}_{joint}"] for joint in ENDS[part])
    cover, *loose = ease
    stations = np.unique(np.clip(np.append(np.linspace(0, 1, 9), (cover, cover + 0.03)), 0.0, 1.0))
    cloth = np.where((stations <= cover) & (cover > 0), np.interp(stations, (0.0, max(cover, 0.1)), loose), 0.0)
    widths = np.interp(stations, *profile) * build + cloth
    length = float(np.linalg.norm(end - start)) / body.scale
    return _tube(body, start, end, body.frames[f"{side}_{part}"], stations, widths, widths, length, **more)


def _tube(
    body: PlacedBody, start: Array, end: Array, frame: Array, stations: ArrayLike, widths: Array, depths: Array,
    length: float, shift: Array | None = None, **more: Any,
) -> Tube:  # fmt: skip
    """A tube whose profile is given in body heights."""
    offset = np.zeros(len(widths)) if shift is None else shift * body.scale
    widths, depths = widths * body.scale, depths * body.scale
    return Tube(start, end, frame, np.asarray(stations), widths, depths, offset, length, body.scale, **more)


def torso(person: Identity, body: PlacedBody, twist: float) -> Tube:
    """From the neck to the upper garment's hem. `twist` in radians."""
    hem, ease = person.upper.hem, person.upper.ease
    stations = np.append(TORSO[hem > TORSO], hem)
    widths = np.interp(stations, TORSO, torso_widths(person)) + ease * np.minimum(stations / 0.2, 1.0)
    if hem > 0.9:
        loose = np.interp(WAIST, stations, widths) + 0.004 + ease
        widths = np.maximum(widths, np.where(stations > 0.3, loose, 0.0))
    depths = np.interp(stations, TORSO, TORSO_DEPTH) * _girth(person) + ease
    shift = np.interp(stations, TORSO, TORSO_SHIFT)
    start, way = body.points["neck"], body.points["pelvis"] - body.points["neck"]
    length = person.proportions.torso * hem
    return _tube(
        body, start, start + hem * way, body.frames["chest"], stations / hem, widths, depths, length, shift,
        caps=(0.3, 0.12), twist=-twist, steepest=3.0,
    )  # fmt: skip


def hips(person: Identity, body: PlacedBody) -> Tube:
    """From the waist to the crotch."""
    down = body.frames["hips"][1] * body.scale
    start = body.points["pelvis"] + (body.points["neck"] - body.points["pelvis"]) * (1.0 - WAIST)
    end = body.points["pelvis"] + 0.035 * down
    stations = np.array([0.0, 0.3, 0.6, 0.8, 1.0])
    place = WAIST + stations * 0.47
    widths = np.interp(place, TORSO, torso_widths(person)) + 0.003
    thighs = person.proportions.hip * 0.50 + 0.052 * person.proportions.build + 0.4 * person.lower.flare + 0.004
    widths = np.maximum(widths, thighs * np.clip(0.55 + 0.75 * stations, 0.0, 1.0))
    depths = np.interp(place, TORSO, TORSO_DEPTH) * _girth(person) + 0.002
    shift = np.interp(place, TORSO, TORSO_SHIFT)
    length = float(np.linalg.norm(end - start)) / body.scale
    v = WAIST * person.proportions.torso
    return _tube(
        body, start, end, body.frames["hips"], stations, widths, depths, length, shift, caps=(0.0, 0.35), v_start=v
    )


def skirt(person: Identity, body: PlacedBody) -> Tube:
    """From the waist to the hem, wide enough for the stride."""
    start = body.points["pelvis"] + (body.points["neck"] - body.points["pelvis"]) * (1.0 - WAIST)
    share = person.lower.length
    feet = [_along_leg(body, side, share) for side in ("left", "right")]
    end = (feet[0] + feet[1]) / 2
    axis = (end - start) / np.linalg.norm(end - start)
    length = float(np.linalg.norm(end - start)) / body.scale
    waist, hip = np.interp((WAIST, 1.0), TORSO, torso_widths(person)) + 0.004
    waist_depth, hip_depth = np.interp((WAIST, 1.0), TORSO, TORSO_DEPTH) * _girth(person) + 0.004
    stride = (feet[0] - feet[1]) / body.scale / 2 @ body.frames["hips"].T
    hip = max(hip, person.proportions.hip * 0.50 + 0.054 * person.proportions.build)
    wide = max(hip, abs(stride[0]) + 0.058 * person.proportions.build) + person.lower.flare
    deep = max(0.9 * hip_depth, abs(stride[2]) + 0.058 * person.proportions.build) + person.lower.flare
    at_hip = min(0.115 / length, 0.6)
    frame = _aligned(body.frames["hips"], axis)
    widths, depths = np.array([waist, hip, wide]), np.array([waist_depth, hip_depth, deep])
    return _tube(
        body, start, end, frame, (0.0, at_hip, 1.0), widths, depths,
        length, np.array([0.004, -0.008, 0.0]), caps=(0.0, 0.10), v_start=WAIST * person.proportions.torso,
    )  # fmt: skip


def _along_leg(body: PlacedBody, side: str, share: float) -> Array:
    """The point at this share of the leg's length from the hip."""
    hip, knee, ankle = (body.points[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
    return hip + (knee - hip) * min(2 * share, 1.0) + (ankle - knee) * max(2 * share - 1.0, 0.0)


def _aligned(frame: Array, down: Array) -> Array:
    """`frame` rotated so that its second row is `down`."""
    forward = frame[2] - (frame[2] @ down) * down
    forward /= np.linalg.norm(forward)
    left = frame[0] - (frame[0] @ down) * down - (frame[0] @ forward) * forward
    return np.stack([left / np.linalg.norm(left), down, forward])


def hand(body: PlacedBody, side: str) -> Tube:
    widths, depths = np.array([0.012, 0.013, 0.011, 0.008]), np.array([0.014, 0.021, 0.019, 0.010])
    start, end = body.points[f"{side}_wrist"], body.points[f"{side}_fingers"]
    return _tube(
        body, start, end, body.frames[f"{side}_forearm"], (0.0, 0.35, 0.7, 1.0), widths, depths, 0.08, caps=(0.5, 0.8)
    )


def thumb(body: PlacedBody, side: str) -> Tube:
    frame = body.frames[f"{side}_forearm"]
    start = body.points[f"{side}_wrist"] + np.array([0.0, 0.014, 0.012]) @ frame * body.scale
    end = start + np.array([0.0, 0.026, 0.013]) @ frame * body.scale
    girth = np.array([0.0085, 0.006])
    return _tube(body, start, end, frame, (0.0, 1.0), girth, girth, 0.03)


def neck(person: Identity, body: PlacedBody) -> Tube:
    start = body.points["neck"] + 0.035 * body.frames["chest"][1] * body.scale
    girth = np.full(2, 0.030) * _girth(person)
    return _tube(body, start, body.points["head"], body.frames["chest"], (0.0, 1.0), girth, girth, 0.1, caps=(0.0, 0.5))


def shoe(body: PlacedBody, side: str, kind: str) -> Tube:
    """From the heel to the toes; its front is the top of the foot."""
    start, end = body.points[f"{side}_heel"], body.points[f"{side}_toes"]
    axis = (end - start) / np.linalg.norm(end - start)
    foot = body.frames[f"{side}_foot"]
    frame = _aligned(np.stack([foot[0], foot[2], -foot[1]]), axis)
    bulk = {"sneakers": 1.08, "boots": 1.1, "flats": 0.86}[kind]
    widths, depths = np.array([0.022, 0.023, 0.027, 0.022]) * bulk, np.array([0.026, 0.026, 0.021, 0.015]) * bulk
    return _tube(body, start, end, frame, (0.0, 0.3, 0.75, 1.0), widths, depths, 0.105, caps=(0.6, 0.8))
