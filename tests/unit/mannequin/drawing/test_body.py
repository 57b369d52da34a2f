"""The articulated body: joints inside the frame, hidden where a real face would be hidden."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cfld.mannequin.drawing.body import BodyPose, keypoints, place_joints, sample_body_pose, turned, yawed
from cfld.mannequin.drawing.identity import Identity, sample_identity
from cfld.poses.skeleton import JOINTS


def joint(person: Identity, pose: BodyPose, name: str) -> NDArray[np.float32]:
    return keypoints(person, pose).yx[JOINTS.index(name)]


def test_joints_and_figure_stay_inside_the_frame() -> None:
    for seed in range(60):
        person, pose = sample_identity(seed), sample_body_pose(seed)
        found = keypoints(person, pose)
        seen = found.yx[found.visible]
        assert (seen > 2).all(), f"seed {seed}: {seen.min(axis=0)}"
        assert (seen < np.array([254, 174])).all(), f"seed {seed}: {seen.max(axis=0)}"


def test_proportions_move_the_joints_only_moderately() -> None:
    pose = sample_body_pose(4)
    first, second = (keypoints(sample_identity(seed), pose) for seed in (1, 2))
    assert np.array_equal(first.visible, second.visible)
    assert 1 < np.abs(first.yx - second.yx).max() < 8


def test_the_joints_do_not_tell_how_tall_somebody_is() -> None:
    heights = np.stack([keypoints(sample_identity(seed), BodyPose()).yx[:, 0] for seed in range(40)])
    for joint in ("neck", "right_ankle", "left_ankle"):
        assert np.ptp(heights[:, JOINTS.index(joint)]) < 0.1, joint


def test_turning_round_swaps_the_sides() -> None:
    person = sample_identity(0)
    for name in ("shoulder", "hip", "knee"):
        front, back = (
            joint(person, BodyPose(yaw=yaw), f"left_{name}")[1] - joint(person, BodyPose(yaw=yaw), f"right_{name}")[1]
            for yaw in (0, 180)
        )
        assert front > 5
        assert back == pytest.approx(-front, abs=0.5)


@pytest.mark.parametrize(
    ("yaw", "missing"),
    [
        (0, set()),
        (180, {"nose", "left_eye", "right_eye"}),
        (90, {"left_eye", "left_ear"}),
        (-90, {"right_eye", "right_ear"}),
    ],
)
def test_the_view_hides_joints_of_the_face(yaw: float, missing: set[str]) -> None:
    found = keypoints(sample_identity(0), BodyPose(yaw=yaw))
    assert {name for name, seen in zip(JOINTS, found.visible, strict=True) if not seen} == missing


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="non-negative integer, got -2"):
        sample_body_pose(-2)


def test_a_pose_is_determined_by_its_seed() -> None:
    assert sample_body_pose(7) == sample_body_pose(7)
    assert sample_body_pose(7) != sample_body_pose(8)


def test_frames_stay_orthonormal() -> None:
    placed = place_joints(sample_identity(3), sample_body_pose(3))
    for name, frame in placed.frames.items():
        np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12, err_msg=name)
        assert np.linalg.det(frame) == pytest.approx(1), name


def test_limbs_hang_down_are_lifted_sideways_and_forward() -> None:
    down = 1
    np.testing.assert_allclose(turned(np.eye(3), 0, 0)[down], (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(turned(np.eye(3), 90, 0)[down], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(turned(np.eye(3), 90, 0, side=-1)[down], (-1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(turned(np.eye(3), 0, 90)[down], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(yawed(np.eye(3), 90)[2], (1, 0, 0), atol=1e-12)
