"""Every row of the pose registries resolves and keeps its promise."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cfld.poses.keypoints import Keypoints
from cfld.poses.registry import DETECTORS, POSE_SEQUENCES, SEEDED_POSES


@pytest.mark.parametrize("name", DETECTORS)
def test_detectors_open_by_model_and_confidence(name: str) -> None:
    assert list(inspect.signature(DETECTORS[name]).parameters)[:2] == ["model", "confidence"]


@pytest.mark.parametrize("name", SEEDED_POSES)
def test_a_random_pose_is_determined_by_its_seed(name: str) -> None:
    first, same, other = (SEEDED_POSES[name](seed) for seed in (4, 4, 5))
    assert np.array_equal(first.yx, same.yx)
    assert not np.array_equal(first.yx, other.yx)


@pytest.mark.parametrize("name", POSE_SEQUENCES)
def test_a_sequence_has_the_number_of_frames(name: str) -> None:
    poses = POSE_SEQUENCES[name](5)
    assert len(poses) == 5
    assert all(isinstance(pose, Keypoints) and pose.visible.any() for pose in poses)
