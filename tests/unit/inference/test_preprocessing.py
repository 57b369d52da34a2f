"""What a target pose will make of the image is said before it is drawn."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.inference.jobs import Job
from cfld.inference.preprocessing import Preprocessing, preprocess_jobs, preprocess_sequence
from cfld.poses.keypoints import MISSING, Keypoints

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
        (POSE.scaled((300, 400)), "me_to_pose: the pose refers to a landscape image"),
    ],
)
def test_target_poses_that_will_not_come_out_whole(
    pose: Keypoints, told: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        preprocess_jobs(jobs(pose), Preprocessing())
    assert [told in message for message in caplog.messages if told] == ([True] if told else [])
    assert bool(caplog.messages) is bool(told)


def test_of_a_sequence_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        preprocess_sequence(IMAGE, "me.png", [POSE, outside(), outside()], Preprocessing())
    assert [message.split(":")[0] for message in caplog.messages] == ["me.png"]
