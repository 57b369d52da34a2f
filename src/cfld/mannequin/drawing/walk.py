"""A walk cycle: two steps on the spot, seen from anywhere, as poses that begin again where they end."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.mannequin.drawing.body import BodyPose, keypoints
from cfld.mannequin.drawing.identity import sample_identity
from cfld.mannequin.drawing.stances import Limb
from cfld.poses.keypoints import Keypoints

WALKER: Final = 0
"""The random seed of the person who walks."""

THIGH: Final = (24.0, 14.0, 0.0, -18.0, -20.0, -8.0, 14.0, 25.0)
"""Forward swing of the thigh in degrees, from the heel's touch on: eight moments of a stride."""
KNEE: Final = (6.0, 18.0, 12.0, 8.0, 32.0, 60.0, 52.0, 18.0)
"""How far the knee is bent then, in degrees (both rounded from the curves of a normal gait in Winter, 1991)."""
ARM_SWING: Final = 24.0
ELBOW: Final = (14.0, 26.0)
"""How far the elbow is bent with the arm at the back, and at the front."""


def walk_cycle(frames: int, yaw: float = 35.0) -> list[BodyPose]:
    """One stride, left and right, in evenly spaced poses; after the last comes the first again.

    Args:
        frames: at least 2.
        yaw: from where the walker is seen, as in `BodyPose`.

    Raises:
        ValueError: for fewer frames.
    """
    if frames < 2:
        raise ValueError(f"a walk cycle needs at least 2 frames, got {frames}")
    return [_moment(i / frames, yaw) for i in range(frames)]


def _moment(phase: float, yaw: float) -> BodyPose:
    """Phase 0 = the left heel touches the floor; 0.5 = the right one does."""
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
    """A smooth closed curve through the moments: their trigonometric interpolation."""
    waves = np.fft.rfft(moments)
    waves[-1] /= 2  # of an even number, the last wave counts once
    order = np.arange(len(waves))
    turned = np.real(waves * np.exp(2j * np.pi * order * phase))
    return float((turned[0] + 2 * turned[1:].sum()) / len(moments))


def walk_keypoints(frames: int) -> list[Keypoints]:
    """The joints of one mannequin in a walk cycle."""
    walker = sample_identity(WALKER)
    return [keypoints(walker, body_pose) for body_pose in walk_cycle(frames)]
