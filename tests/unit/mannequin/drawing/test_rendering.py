"""Rendering: reproducible, inside the image, near parts over far parts."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cfld.mannequin import BodyPose, keypoints, render, sample_body_pose, sample_identity
from cfld.mannequin.drawing.stances import ARMS
from support.mannequins import GREY, MAGENTA, grey_identity, magenta

SEEDS = range(12)


def test_the_same_seeds_give_the_same_image() -> None:
    first, second = (render(sample_identity(5), sample_body_pose(7)) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (256, 176, 3)
    assert np.array_equal(first, second)
    assert sample_identity(5) == sample_identity(5)
    assert sample_body_pose(7) == sample_body_pose(7)


def test_identities_and_poses_differ() -> None:
    assert len({repr(sample_identity(seed)) for seed in SEEDS}) == len(SEEDS)
    pose = sample_body_pose(1)
    first, second = (render(sample_identity(seed), pose).astype(int) for seed in (1, 2))
    assert np.abs(first - second).max(axis=2).mean() > 5


def test_the_figure_keeps_clear_of_the_image_edges() -> None:
    for seed in SEEDS:
        image = render(sample_identity(seed), sample_body_pose(seed)).astype(int)
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert np.ptp(border, axis=1).max() <= 2, f"seed {seed}: something coloured touches the border"


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_the_figure_is_the_same_at_any_size(seed: int) -> None:
    person, pose = sample_identity(seed), sample_body_pose(seed)
    small, large = render(person, pose), render(person, pose, size=(512, 352))
    shrunk = cv2.resize(large, (176, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.astype(int)).mean() < 1.5
    np.testing.assert_allclose(
        keypoints(person, pose, (512, 352)).yx / 2, keypoints(person, pose).yx.clip(-0.5), atol=1e-3
    )


def test_other_aspect_ratios_centre_the_figure() -> None:
    person, pose = sample_identity(1), sample_body_pose(1)
    wide = render(person, pose, size=(256, 256))
    assert np.abs(wide[:, 40:216].astype(int) - render(person, pose).astype(int)).mean() < 4


def test_near_parts_hide_far_parts() -> None:
    """From the side, the near arm stands before the torso, and the torso before the far arm."""
    person = grey_identity(texture=replace(GREY, base=MAGENTA), hem=0.9)
    bare = replace(person, upper=replace(person.upper, sleeve=0.0))
    across = dict.fromkeys(("left_arm", "right_arm"), (0.0, 0.0, 0.0, 0.0))
    away = {"left_arm": (0.0, 90.0, 0.0, 90.0), "right_arm": (0.0, 90.0, 0.0, 90.0)}
    both, none = (magenta(render(bare, BodyPose(yaw=90, **arms))) for arms in (across, away))
    near = magenta(render(bare, BodyPose(yaw=90, left_arm=away["left_arm"], right_arm=across["right_arm"])))
    far = magenta(render(bare, BodyPose(yaw=90, left_arm=across["left_arm"], right_arm=away["right_arm"])))
    assert near < none - 150
    assert abs(far - none) < 20
    assert abs(both - near) < 20


def test_every_arm_position_can_be_drawn() -> None:
    person = sample_identity(2)
    for limb in ARMS.values():
        for yaw in (0, 90, 180):
            assert render(person, BodyPose(yaw=yaw, left_arm=limb, right_arm=limb), size=(64, 44)).shape == (64, 44, 3)


def test_sizes_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        render(sample_identity(0), sample_body_pose(0), size=(256, 4))
