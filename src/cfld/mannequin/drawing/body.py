"""An articulated body in three dimensions: pose angles -> joints -> keypoints.

Camera axes: x to the right of the image, y down, z towards the viewer. A frame of a body part is a (3, 3) array whose
rows are the part's own left, down and forward directions in camera axes. Lengths are in heights of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cfld.mannequin.drawing.identity import Array, Identity, Proportions, checked_seed, sample_identity
from cfld.mannequin.drawing.stances import ARM_PAIRS, ARMS, LEG_PAIRS, Limb
from cfld.poses.keypoints import DEEPFASHION_FRAME, MISSING, Keypoints
from cfld.poses.skeleton import JOINTS

Named = dict[str, Array]

ASPECT: Final = DEEPFASHION_FRAME[1] / DEEPFASHION_FRAME[0]
CAMERA_PITCH: Final = np.deg2rad(10.0)
SIDES: Final = {"left": 1.0, "right": -1.0}
HEAD_RADII: Final = np.array([0.0495, 0.0680, 0.0605])
"""Half axes of the head (width, height, depth), in body heights."""
FACE: Final = {
    "nose": (0.0, 0.22, 1.05),
    "right_eye": (-0.40, -0.05, 0.86),
    "left_eye": (0.40, -0.05, 0.86),
    "right_ear": (-1.0, 0.08, -0.10),
    "left_ear": (1.0, 0.08, -0.10),
}
"""Positions of the facial joints in half axes of the head (left, down, forward)."""
FACE_HIDDEN_BELOW: Final = {"nose": -0.15, "eye": 0.05, "ear": -0.25}
"""A facial joint is visible if the viewer component of its outward direction is at least this."""


@dataclass(frozen=True)
class BodyPose:
    """Joint angles in degrees and the view; independent of the identity.

    Attributes:
        yaw: 0 = seen from the front, 90 = facing the image's right side, 180 = seen from the back.
        lean, tilt, twist: of the chest against the hips: forward, towards its left, turned to its left.
        head_yaw, head_pitch, head_tilt: of the head against the chest.
        left_arm, right_arm, left_leg, right_leg: see `stances`.
        scale: image heights per body height, reduced if the figure does not fit.
        shift: of the figure to the right; floor: position of the ground; both in image heights.
    """

    yaw: float = 0.0
    lean: float = 0.0
    tilt: float = 0.0
    twist: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    head_tilt: float = 0.0
    left_arm: Limb = ARMS["rest"]
    right_arm: Limb = ARMS["rest"]
    left_leg: Limb = LEG_PAIRS[0][0]
    right_leg: Limb = LEG_PAIRS[0][1]
    scale: float = 0.88
    shift: float = 0.0
    floor: float = 0.965


@dataclass(frozen=True, eq=False)
class PlacedBody:
    """A body positioned in the image.

    Attributes:
        points: name -> (x, y, z): x from the image's middle, y from its top, z towards the viewer.
        frames: part -> (3, 3) rows left, down, forward.
        scale: image heights per body height.
    """

    points: Named
    frames: Named
    scale: float


def sample_body_pose(seed: int) -> BodyPose:
    """Samples a pose: standing, walking or gesturing, seen from any side."""
    rng = np.random.default_rng([checked_seed(seed), 2])
    left_arm, right_arm = _sample_limbs(rng, [(ARMS[a], ARMS[b], weight) for a, b, weight in ARM_PAIRS], 5.0)
    left_leg, right_leg = _sample_limbs(rng, LEG_PAIRS, 2.0)
    return BodyPose(
        yaw=_sample_yaw(rng),
        lean=float(np.clip(rng.normal(1, 3), -5, 10)),
        tilt=float(np.clip(rng.normal(0, 2.5), -6, 6)),
        twist=float(np.clip(rng.normal(0, 6), -14, 14)),
        head_yaw=float(np.clip(rng.normal(0, 16), -45, 45)),
        head_pitch=float(np.clip(rng.normal(0, 5), -12, 12)),
        head_tilt=float(np.clip(rng.normal(0, 4), -10, 10)),
        left_arm=left_arm,
        right_arm=right_arm,
        left_leg=left_leg,
        right_leg=right_leg,
        scale=float(rng.uniform(0.82, 0.92)),
        shift=float(np.clip(rng.normal(0, 0.015), -0.04, 0.04)),
        floor=float(rng.uniform(0.95, 0.98)),
    )


def _sample_yaw(rng: np.random.Generator) -> float:
    """In degrees: front, three-quarter, side, three-quarter back or back view, jittered."""
    centre = float(rng.choice([0, 35, 90, 145, 180], p=(0.34, 0.22, 0.18, 0.08, 0.18)))
    return float(rng.choice([-1, 1])) * (centre + float(np.clip(rng.normal(0, 9), -20, 20)))


def _sample_limbs(
    rng: np.random.Generator, pairs: Sequence[tuple[Limb, Limb, float]], jitter: float
) -> tuple[Limb, Limb]:
    """The left and right limb: one of the weighted pairs, in either order, with angles jittered by some degrees."""
    weights = np.array([weight for *_, weight in pairs])
    *limbs, _ = pairs[rng.choice(len(pairs), p=weights / weights.sum())]
    first, second = (_jitter(rng, limb, jitter) for limb in limbs)
    return (first, second) if rng.uniform() < 0.5 else (second, first)


def _jitter(rng: np.random.Generator, limb: Limb, degrees: float) -> Limb:
    a, b, c, d = (float(angle + rng.uniform(-degrees, degrees)) for angle in limb)
    return a, b, c, d


def place_joints(identity: Identity, body_pose: BodyPose) -> PlacedBody:
    """Forward kinematics from the pelvis outwards; the result is fitted into the image."""
    points, frames = _articulate(identity.proportions, body_pose)
    scale, offset = _fit(points, identity.proportions, body_pose)
    return PlacedBody({name: point * scale + offset for name, point in points.items()}, frames, scale)


def keypoints(identity: Identity, body_pose: BodyPose, frame: tuple[int, int] = DEEPFASHION_FRAME) -> Keypoints:
    """The 18 joints as a pose estimator would report them: facial joints that face away from the viewer are missing."""
    placed = place_joints(identity, body_pose)
    scale, left = frame_transform(frame)
    yx = np.array([[placed.points[name][1] * scale, placed.points[name][0] * scale + left] for name in JOINTS])
    for name, at in FACE.items():
        outward = np.array(at) / HEAD_RADII
        towards_viewer = (outward / np.linalg.norm(outward) @ placed.frames["head"])[2]
        if towards_viewer < FACE_HIDDEN_BELOW[name.split("_")[-1]]:
            yx[JOINTS.index(name)] = MISSING
    return Keypoints(yx.astype(np.float32), frame)


def seeded_pose(seed: int) -> Keypoints:
    """Keypoints of a random pose of a random person, both determined by one seed."""
    return keypoints(sample_identity(seed), sample_body_pose(seed))


def frame_transform(size: tuple[int, int]) -> tuple[float, float]:
    """(pixels per image height, x of the centre in pixels) of the 256:176 image centred in an image of another size."""
    height, width = size
    return float(min(height, width / ASPECT)), width / 2


def turned(frame: Array, abduction: float, swing: float, side: float = 1.0) -> Array:
    """The frame rotated by an abduction from the midline (`side`: +1 left, -1 right), then by a forward swing."""
    a, s = np.deg2rad(abduction) * side, np.deg2rad(swing)
    left = (np.cos(a), -np.sin(a) * np.cos(s), -np.sin(a) * np.sin(s))
    down = (np.sin(a), np.cos(a) * np.cos(s), np.cos(a) * np.sin(s))
    return np.array([left, down, (0.0, -np.sin(s), np.cos(s))]) @ frame


def yawed(frame: Array, degrees: float) -> Array:
    """The frame rotated to its left about its vertical axis."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]) @ frame


def _articulate(body: Proportions, pose: BodyPose) -> tuple[Named, Named]:
    """Points relative to the pelvis, in body heights, and frames of the body parts."""
    pitch_cos, pitch_sin = np.cos(CAMERA_PITCH), np.sin(CAMERA_PITCH)
    camera = np.array([[1.0, 0.0, 0.0], [0.0, pitch_cos, -pitch_sin], [0.0, pitch_sin, pitch_cos]])
    frames = {"hips": yawed(np.eye(3), pose.yaw) @ camera}
    frames["chest"] = yawed(turned(frames["hips"], -pose.tilt, -pose.lean), pose.twist)
    head = turned(yawed(frames["chest"], pose.head_yaw), pose.head_tilt, 0.0)
    frames["head"] = turned(head, 0.0, -pose.head_pitch)
    points: dict[str, Array] = {"pelvis": np.zeros(3)}
    points["neck"] = points["pelvis"] - body.torso * frames["chest"][1]
    points["head"] = points["neck"] + np.array([0.0, -(0.042 + 0.055 * body.head), 0.016]) @ frames["head"]
    half_axes = HEAD_RADII * body.head
    points |= {name: points["head"] + np.array(at) * half_axes @ frames["head"] for name, at in FACE.items()}
    for side in SIDES:
        _articulate_arm(points, frames, body, side, getattr(pose, f"{side}_arm"))
        _articulate_leg(points, frames, body, side, getattr(pose, f"{side}_leg"))
    return points, frames


def _articulate_arm(points: Named, frames: Named, body: Proportions, side: str, arm: Limb) -> None:
    sign = SIDES[side]
    upper, fore = turned(frames["chest"], arm[0], arm[1], sign), turned(frames["chest"], arm[2], arm[3], sign)
    lift = 0.03 * max(0.0, np.sin(np.deg2rad(arm[0] - 60)))
    points[f"{side}_shoulder"] = points["neck"] + np.array([sign * body.shoulder, 0.040 - lift, 0.0]) @ frames["chest"]
    points[f"{side}_elbow"] = points[f"{side}_shoulder"] + body.upper_arm * upper[1]
    points[f"{side}_wrist"] = points[f"{side}_elbow"] + body.forearm * fore[1]
    points[f"{side}_fingers"] = points[f"{side}_wrist"] + 0.080 * fore[1]
    frames |= {f"{side}_upper_arm": upper, f"{side}_forearm": fore}


def _articulate_leg(points: Named, frames: Named, body: Proportions, side: str, leg: Limb) -> None:
    sign = SIDES[side]
    thigh, shin = turned(frames["hips"], leg[0], leg[1], sign), turned(frames["hips"], leg[2], leg[3], sign)
    foot = turned(yawed(frames["hips"], sign * 11.0), 0.0, min(0.0, leg[3] + 8.0) * 0.75 - 4.0)
    points[f"{side}_hip"] = np.array([sign * body.hip * 0.50, 0.0, 0.0]) @ frames["hips"]
    points[f"{side}_knee"] = points[f"{side}_hip"] + body.thigh * thigh[1]
    points[f"{side}_ankle"] = points[f"{side}_knee"] + body.shin * shin[1]
    points[f"{side}_heel"] = points[f"{side}_ankle"] + np.array([0.0, 0.026, -0.014]) @ foot
    points[f"{side}_toes"] = points[f"{side}_ankle"] + np.array([0.0, 0.028, 0.092]) @ foot
    frames |= {f"{side}_thigh": thigh, f"{side}_shin": shin, f"{side}_foot": foot}


def _fit(points: Named, body: Proportions, pose: BodyPose) -> tuple[float, Array]:
    """Scale and offset that keep the whole figure inside the image."""
    xyz = np.stack(list(points.values()))
    top = min(xyz[:, 1].min() - 0.02, points["head"][1] - 0.085 * body.head)
    left, bottom, right = xyz[:, 0].min() - 0.05, xyz[:, 1].max() + 0.022, xyz[:, 0].max() + 0.05
    floor = min(pose.floor, 0.985)
    scale = min(pose.scale, (floor - 0.02) / (bottom - top), (ASPECT - 0.02) / (right - left))
    room = ASPECT / 2 - 0.01
    shift = float(np.clip(pose.shift, -room - left * scale, room - right * scale))
    return float(scale), np.array([shift, floor - bottom * scale, 0.0])
