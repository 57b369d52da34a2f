"""A walk cycle: a closed sequence of poses of two steps on the spot."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.mannequin.drawing.body import BodyPose, keypoints
from cfld.mannequin.drawing.identity import sample_identity
from cfld.mannequin.drawing.stances import Limb
from cfld.poses.keypoints import Keypoints
from cfld.ranges import Frames, check_number

WALKER: Final = 0
"""Random seed of the person."""

THIGH: Final = (24.0, 14.0, 0.0, -18.0, -20.0, -8.0, 14.0, 25.0)
"""Forward swing of the thigh in degrees, at eight phases of a stride from heel contact on."""
KNEE: Final = (6.0, 18.0, 12.0, 8.0, 32.0, 60.0, 52.0, 18.0)
"""Knee flexion in degrees at these phases (both rounded from the curves of a normal gait in Winter, 1991)."""
ARM_SWING: Final = 24.0
ELBOW: Final = (14.0, 26.0)
"""Elbow flexion in degrees with the arm at the back and at the front."""


def walk_cycle(frames: int, yaw: float = 35.0) -> list[BodyPose]:
    """One stride, left and right, in evenly spaced poses; the first follows the last.

    Args:
        frames: at least 2.
        yaw: direction of view, as in `BodyPose`.

    Raises:
        ValueError: for fewer frames.
    """
    check_number(Frames, "frames", frames)
    return [_moment(i / frames, yaw) for i in range(frames)]


def _moment(phase: float, yaw: float) -> BodyPose:
    """The pose at a phase of the stride: 0 = contact of the left heel, 0.5 = of the right one."""
    swing = float(np.cos(2 * np.pi * phase))
    return BodyPose(
        yaw=yaw,
        lean=3.0,
        twist=-6.0 * swing,
        left_arm=_arm(-swing),
        right_arm=_arm(swing),
        left_leg=_leg(phase),
        right_leg=_leg(phase + 0.5),
        scale=0.86,
    )


def _leg(phase: float) -> Limb:
    thigh, knee = _between(np.array(THIGH), phase), _between(np.array(KNEE), phase)
    return 3.0, thigh, 2.0, thigh - knee


def _arm(swing: float) -> Limb:
    """`swing`: 1 = the arm is at the front, -1 = at the back."""
    bent = ELBOW[0] + (ELBOW[1] - ELBOW[0]) * (swing + 1) / 2
    return 10.0, ARM_SWING * swing, 6.0, ARM_SWING * swing + bent


def _between(moments: NDArray[np.float64], phase: float) -> float:
    """Trigonometric interpolation of a closed curve through the phases."""
    waves = np.fft.rfft(moments)
    waves[-1] /= 2  # of an even number, the last wave counts once
    order = np.arange(len(waves))
    turned = np.real(waves * np.exp(2j * np.pi * order * phase))
    return float((turned[0] + 2 * turned[1:].sum()) / len(moments))


def walk_keypoints(frames: int) -> list[Keypoints]:
    """Keypoints of a mannequin in a walk cycle."""
    walker = sample_identity(WALKER)
    return [keypoints(walker, body_pose) for body_pose in walk_cycle(frames)]
