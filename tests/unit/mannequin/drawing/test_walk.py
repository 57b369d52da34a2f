"""The mannequins' walk cycle."""

from __future__ import annotations

import numpy as np
import pytest

from cfld import mannequin
from cfld.mannequin.drawing.walk import KNEE, THIGH, walk_cycle
from cfld.poses.skeleton import JOINTS

WHO = mannequin.sample_identity(5)


def joint(name: str, frames: int = 16, yaw: float = 90.0) -> np.ndarray:
    """(frames, 2): (y, x) in the frame, seen from the side."""
    poses = [mannequin.keypoints(WHO, pose) for pose in walk_cycle(frames, yaw)]
    return np.array([pose.yx[JOINTS.index(name)] for pose in poses])


def test_the_moments_are_met() -> None:
    for pose, thigh, knee in zip(walk_cycle(8), THIGH, KNEE, strict=True):
        assert pose.left_leg[1] == pytest.approx(thigh)
        assert pose.left_leg[1] - pose.left_leg[3] == pytest.approx(knee)


def test_it_begins_again_where_it_ends_without_a_jump() -> None:
    steps = np.abs(np.diff(joint("left_ankle"), axis=0, append=joint("left_ankle")[:1])).max(axis=1)
    assert steps[-1] < 1.5 * steps[:-1].max()
    assert steps.max() < 30


def test_right_does_half_a_stride_later_what_left_does() -> None:
    poses = walk_cycle(16)
    for now, later in zip(poses, poses[8:] + poses[:8], strict=True):
        np.testing.assert_allclose(now.left_leg, later.right_leg, atol=1e-9)
        np.testing.assert_allclose(now.left_arm, later.right_arm, atol=1e-9)


def test_arms_swing_against_the_legs() -> None:
    legs = joint("left_ankle")[:, 1] - joint("right_ankle")[:, 1]
    arms = joint("left_wrist")[:, 1] - joint("right_wrist")[:, 1]
    assert np.corrcoef(legs, arms)[0, 1] < -0.7


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="frames must be between 2 and 10,000, got 1"):
        walk_cycle(1)
