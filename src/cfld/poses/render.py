"""Pose maps: 3 channels of the drawn skeleton and 18 joint heat maps (section 4.1; constants of the release)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints, as_keypoints
from cfld.poses.skeleton import BONE_BRIGHTNESS, BONES, JOINT_COLOURS, NUM_JOINTS

POSE_CHANNELS: Final = 3 + NUM_JOINTS
BONE_WIDTH: Final = 2
JOINT_RADIUS: Final = 3
HEAT_MAP_SIGMA: Final = 6.0
SMALLEST_FIGURE: Final = 0.02
"""Size of the smallest person with most joints visible, relative to the frame: one disc."""


def pose_map(
    keypoints: Keypoints | ArrayLike,
    frame: tuple[int, int] = DEEPFASHION_FRAME,
    size: tuple[int, int] = (256, 256),
) -> Tensor:
    """The pose map x_p, input of the pose adapter.

    Args:
        keypoints: `Keypoints`, or an (18, 2) array of (y, x) in `frame`; -1 = missing.
        frame: (height, width) that an array refers to; `Keypoints` have their own.
        size: (height, width) of the map.

    Returns:
        float32 (21, H, W) in [0, 1]: 3 channels of the skeleton, then one heat map per joint.
    """
    pose = as_keypoints(keypoints, frame)
    skeleton = draw_skeleton(pose, size=size).astype(np.float32) / 255.0
    return torch.from_numpy(np.concatenate([skeleton.transpose(2, 0, 1), heat_maps(pose, size=size)]))


def check_drawn(pose: Keypoints, name: str = "target_pose") -> None:
    """Raises ValueError, naming `name`, if the map of a pose would show nobody: all joints are missing, lie outside the
    frame, or lie on one point although most of them are visible."""
    known = pose.yx[pose.visible]
    if not known.size:
        raise ValueError(f"{name}: all {NUM_JOINTS} joints are missing; give at least one visible joint")
    (top, left), (bottom, right) = known.min(axis=0), known.max(axis=0)
    where = f"rows {top:g} to {bottom:g}, columns {left:g} to {right:g} of {pose.frame[0]} x {pose.frame[1]}"
    if not draw_skeleton(pose).any():
        raise ValueError(f"{name}: no joint or limb lies in the frame ({where}); check the frame, or move the pose")
    if len(known) > NUM_JOINTS / 2 and max(bottom - top, right - left) <= SMALLEST_FIGURE * max(pose.frame):
        raise ValueError(f"{name}: {len(known)} joints lie on one point ({where}); are they pixels in (y, x) order?")


def draw_skeleton(pose: Keypoints, size: tuple[int, int] = (256, 256)) -> NDArray[np.uint8]:
    """Draws the skeleton on black, uint8 (H, W, 3), RGB: bones as anti-aliased lines, joints as discs."""
    joints = _pixel_positions(pose, size)
    canvas = np.zeros((*size, 3), dtype=np.uint8)
    for bone, (start, end) in enumerate(BONES):
        if pose.visible[start] and pose.visible[end]:
            colour = tuple(int(channel * BONE_BRIGHTNESS) for channel in JOINT_COLOURS[bone])
            cv2.line(canvas, joints[start][::-1], joints[end][::-1], colour, BONE_WIDTH, cv2.LINE_AA)
    for joint in np.flatnonzero(pose.visible):
        cv2.circle(canvas, joints[joint][::-1], JOINT_RADIUS, JOINT_COLOURS[joint], -1, cv2.LINE_AA)
    return canvas


def heat_maps(pose: Keypoints, size: tuple[int, int] = (256, 256)) -> NDArray[np.float32]:
    """Heat maps exp(-d^2 / (2 sigma^2)) around each joint's pixel, zero for missing joints; float32 (18, H, W)."""
    maps = np.zeros((NUM_JOINTS, *size), dtype=np.float32)
    joints = _pixel_positions(pose, size)
    for joint in np.flatnonzero(pose.visible):
        y, x = joints[joint]
        maps[joint] = np.outer(_gaussian(size[0], y), _gaussian(size[1], x))
    return maps


def _gaussian(length: int, centre: int) -> NDArray[np.float64]:
    return np.exp(-((np.arange(length) - centre) ** 2) / (2 * HEAT_MAP_SIGMA**2))


def _pixel_positions(pose: Keypoints, size: tuple[int, int]) -> list[tuple[int, int]]:
    return [(int(y), int(x)) for y, x in pose.scaled(size).yx]
