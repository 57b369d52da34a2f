"""Fitting of sources, retargeting of poses, and warnings about poses before generation."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.inference.jobs import Job
from cfld.inference.preprocessing import Preprocessing, preprocess_jobs, preprocess_sequence
from cfld.poses.keypoints import MISSING, Keypoints, save_keypoints

POSE = mannequin.keypoints(mannequin.sample_identity(1), mannequin.sample_body_pose(2))
IMAGE = Image.new("RGB", (176, 256))


def outside() -> Keypoints:
    yx = POSE.yx.copy()
    yx[np.flatnonzero((yx != MISSING).all(axis=1))[0], 0] = -7
    return Keypoints(yx, POSE.frame)


def jobs(pose: Keypoints) -> list[Job]:
    return [Job("me.png", lambda: IMAGE, pose, "me_to_pose")]


@pytest.mark.parametrize(
    ("pose", "told"),
    [
        (POSE, None),
        (outside(), "me_to_pose: joints of the pose lie outside the image"),
    ],
)
def test_target_poses_that_will_not_come_out_whole(
    pose: Keypoints, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        preprocess_jobs(jobs(pose), Preprocessing())
    assert [told in message for message in caplog.messages if told] == ([True] if told else [])
    assert bool(caplog.messages) is bool(told)


def test_a_pose_outside_its_frame_is_refused_unless_it_is_of_a_data_set() -> None:
    far = Keypoints(POSE.yx + 1000)
    with pytest.raises(ValueError, match="me_to_pose: no joint or limb lies in the frame"):
        preprocess_jobs(jobs(far), Preprocessing())
    with pytest.raises(ValueError, match=r"me\.png: pose 2: no joint or limb"):
        preprocess_sequence(IMAGE, "me.png", [POSE, far], Preprocessing())
    (job,) = jobs(far)
    assert len(preprocess_jobs([replace(job, as_in_training=True)], Preprocessing())) == 1


def test_of_a_sequence_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        preprocess_sequence(IMAGE, "me.png", [POSE, outside(), outside()], Preprocessing())
    assert [message.split(":")[0] for message in caplog.messages] == ["me.png"]


def landscape() -> tuple[Image.Image, Keypoints]:
    """A person in the middle of a wide image, and where they are."""
    image = Image.new("RGB", (500, 300), "white")
    image.paste(
        Image.fromarray(mannequin.render(mannequin.sample_identity(1), mannequin.sample_body_pose(2))), (150, 20)
    )
    return image, POSE.cropped(-20, -150, (300, 500))


def preprocessing(tmp_path: Path, pose: Keypoints, **options: Any) -> Preprocessing:
    save_keypoints(pose, tmp_path / "own.json")
    return Preprocessing(source_pose=tmp_path / "own.json", **options)


def test_sources_are_fitted(tmp_path: Path) -> None:
    image, pose = landscape()
    (one,) = preprocess_jobs(
        [Job("me.png", lambda: image, POSE, "me_to_pose")], preprocessing(tmp_path, pose, fit="letterbox")
    )
    fitted = one.job.read_source()
    assert fitted.width / fitted.height == pytest.approx(176 / 256, abs=0.01)
    assert one.job.pose is POSE
    assert one.retargeting_sheet() is None


def test_poses_are_retargeted_to_the_source(tmp_path: Path) -> None:
    image, pose = landscape()
    small = POSE.scaled((128, 88))
    (one,) = preprocess_jobs(
        [Job("me.png", lambda: image, small, "me_to_pose")], preprocessing(tmp_path, pose, retarget=True)
    )
    np.testing.assert_allclose(one.job.pose.yx, pose.yx, atol=1.5)  # a pose on its own body is that pose
    assert one.job.pose.frame == (300, 500)
    assert one.target_pose is small
    assert one.retargeting_sheet() is not None


def test_all_poses_of_a_sequence_are_retargeted(tmp_path: Path) -> None:
    image, pose = landscape()
    sequence = preprocess_sequence(
        image, "me.png", [POSE, POSE.scaled((128, 88))], preprocessing(tmp_path, pose, fit="crop", retarget=True)
    )
    assert len(sequence.poses) == 2
    assert {one.frame for one in sequence.poses} == {(sequence.image.height, sequence.image.width)}


def test_one_source_pose_is_of_one_source_of_its_shape(tmp_path: Path) -> None:
    image, pose = landscape()
    two = [Job(name, lambda: image, POSE, name) for name in ("a", "b")]
    with pytest.raises(ValueError, match="is one pose, but there are 2 sources"):
        preprocess_jobs(two, preprocessing(tmp_path, pose, retarget=True))
    with pytest.raises(ValueError, match="refers to an image of 256 x 176, but a is 300 x 500"):
        preprocess_jobs(two[:1], preprocessing(tmp_path, POSE, retarget=True))
