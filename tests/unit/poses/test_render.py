"""Pose maps: heat maps and skeleton."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfld.poses.keypoints import Keypoints
from cfld.poses.render import check_drawn, draw_skeleton, heat_maps, pose_map

SPREAD = np.stack([np.linspace(20, 230, 18), np.linspace(20, 150, 18)], axis=1).astype(np.float32)


def test_heat_peaks_at_the_joint() -> None:
    maps = heat_maps(Keypoints(SPREAD), size=(128, 128))
    for joint, heat in enumerate(maps):
        peak = np.unravel_index(heat.argmax(), heat.shape)
        assert peak == (int(SPREAD[joint, 0] / 2), int(SPREAD[joint, 1] * 128 / 176))
        assert heat.max() == 1


def test_missing_joints_leave_no_mark() -> None:
    yx = SPREAD.copy()
    yx[[0, 4]] = -1
    both = pose_map(yx)
    assert not both[3:][[0, 4]].any()
    assert both[3:].amax(dim=(1, 2)).sum() == 16
    assert not pose_map(np.full((18, 2), -1)).any()


def test_a_bone_needs_both_ends() -> None:
    yx = np.full((18, 2), -1, dtype=np.float32)
    yx[1], yx[0] = (60, 60), (200, 60)
    with_bone, middle = draw_skeleton(Keypoints(yx)), (130, 87)
    yx[0] = -1
    assert with_bone[middle].any()
    assert not draw_skeleton(Keypoints(yx))[middle].any()


@given(st.floats(-600, 600), st.floats(-600, 600))
@settings(deadline=None, max_examples=50)
def test_what_is_drawn_is_accepted_and_nothing_else(down: float, right: float) -> None:
    """By the map, not by the list: a limb may cross the frame between two joints outside of it."""
    pose = Keypoints(SPREAD + np.array([down, right]))
    if draw_skeleton(pose).any():
        check_drawn(pose)
    else:
        with pytest.raises(ValueError, match="me: no joint or limb lies in the frame"):
            check_drawn(pose, "me")


def test_a_limb_that_crosses_the_frame_is_drawn() -> None:
    yx = np.full((18, 2), -1.0)
    yx[2], yx[3] = (100, -40), (120, 300)
    check_drawn(Keypoints(yx))


@pytest.mark.parametrize("yx", [np.zeros((18, 2)), np.full((18, 2), 90), np.arange(36).reshape(18, 2) % 2])
def test_a_heap_of_joints_is_nobody(yx: np.ndarray) -> None:
    with pytest.raises(ValueError, match="18 joints lie on one point"):
        check_drawn(Keypoints(yx))


def test_the_frame_decides_the_scale() -> None:
    bare = pose_map(SPREAD, frame=(256, 176), size=(64, 32))
    assert bare.shape == (21, 64, 32)
    assert torch.equal(bare, pose_map(Keypoints(SPREAD * 2, (512, 352)), frame=(1, 1), size=(64, 32)))
