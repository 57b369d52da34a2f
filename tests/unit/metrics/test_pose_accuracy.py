from __future__ import annotations

import math

import numpy as np
import pytest

from cfld.metrics.pose_accuracy import oks, pck
from cfld.poses.keypoints import MISSING, Keypoints
from cfld.poses.skeleton import JOINTS, NUM_JOINTS


def moved(pose: Keypoints, joint: str, by: float) -> Keypoints:
    yx = pose.yx.copy()
    yx[JOINTS.index(joint)] += (by, 0)
    return Keypoints(yx, pose.frame)


def without(pose: Keypoints, *joints: str) -> Keypoints:
    yx = pose.yx.copy()
    yx[[JOINTS.index(joint) for joint in joints]] = MISSING
    return Keypoints(yx, pose.frame)


@pytest.fixture
def pose() -> Keypoints:
    """Somebody who stands facing us, all joints seen."""
    yx = [(40, 88), (60, 88), (60, 70), (90, 62), (120, 58), (60, 106), (90, 114), (120, 118), (125, 76)]
    yx += [(175, 74), (225, 73), (125, 100), (175, 102), (225, 103), (36, 84), (36, 92), (39, 78), (39, 98)]
    return Keypoints(np.array(yx, dtype=np.float32))


@pytest.fixture
def torso(pose: Keypoints) -> float:
    a, b = (JOINTS.index(name) for name in ("left_shoulder", "right_hip"))
    return float(np.linalg.norm(pose.yx[a] - pose.yx[b]))


def test_the_right_pose(pose: Keypoints) -> None:
    assert pck(pose, pose, 0.1) == oks(pose, pose) == 1


def test_pck_counts_joints_within_a_share_of_the_torso(pose: Keypoints, torso: float) -> None:
    one_wrong = 1 - 1 / NUM_JOINTS
    assert pck(pose, moved(pose, "nose", 0.15 * torso), 0.1) == pytest.approx(one_wrong)
    assert pck(pose, moved(pose, "nose", 0.15 * torso), 0.2) == 1
    assert pck(pose, moved(pose, "nose", 0.25 * torso), 0.2) == pytest.approx(one_wrong)


def test_oks_forgives_hips_more_than_eyes(pose: Keypoints, torso: float) -> None:
    hip, eye = (oks(pose, moved(pose, joint, 0.1 * torso)) for joint in ("left_hip", "left_eye"))
    assert 1 > hip > eye > 1 - 1 / NUM_JOINTS


def test_oks_by_hand() -> None:
    """Two joints on the corners of a box of 100 x 53.2: s^2 = 0.53 * 5320; the nose is off by 5 pixels."""
    truth = np.full((NUM_JOINTS, 2), MISSING, dtype=np.float32)
    truth[JOINTS.index("nose")], truth[JOINTS.index("left_ankle")] = (10, 10), (110, 63.2)
    found = truth.copy()
    found[JOINTS.index("nose")] += (3, 4)
    expected = (1 + math.exp(-25 / (2 * 0.53 * 5320 * 0.052**2))) / 2
    assert oks(Keypoints(truth), Keypoints(found)) == pytest.approx(expected, rel=1e-5)


def test_joints_not_found_are_wrong_and_joints_not_there_do_not_count(pose: Keypoints) -> None:
    assert pck(pose, without(pose, "nose", "neck"), 0.2) == pytest.approx(1 - 2 / NUM_JOINTS)
    assert oks(pose, without(pose, "nose", "neck")) == pytest.approx(1 - 2 / NUM_JOINTS)
    assert pck(without(pose, "nose"), pose, 0.2) == oks(without(pose, "nose"), pose) == 1


def test_frames_are_brought_together(pose: Keypoints) -> None:
    assert pck(pose, pose.scaled((512, 352)), 0.01) == 1


def test_the_other_diagonal_will_do(pose: Keypoints) -> None:
    assert pck(without(pose, "left_shoulder"), pose, 0.1) == 1
    assert math.isnan(pck(without(pose, "left_shoulder", "left_hip"), pose, 0.1))


def test_nobody_there_has_no_figure(pose: Keypoints) -> None:
    nobody = without(pose, *JOINTS)
    assert math.isnan(pck(nobody, pose, 0.1))
    assert math.isnan(oks(nobody, pose))
    assert pck(pose, nobody, 0.1) == oks(pose, nobody) == 0
