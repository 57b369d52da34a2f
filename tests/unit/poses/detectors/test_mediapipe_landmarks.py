"""The mapping from MediaPipe's result; the landmarker itself is not installed here."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cfld.poses.detectors.mediapipe_landmarks import people_from_landmarks
from cfld.poses.estimate import open_detector
from cfld.poses.skeleton import JOINTS

NAMES = [
    "nose",
    "left_eye_inner",
    "left_eye",
    "left_eye_outer",
    "right_eye_inner",
    "right_eye",
    "right_eye_outer",
    "left_ear",
    "right_ear",
    "mouth_left",
    "mouth_right",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_pinky",
    "right_pinky",
    "left_index",
    "right_index",
    "left_thumb",
    "right_thumb",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_heel",
    "right_heel",
    "left_foot_index",
    "right_foot_index",
]
"""MediaPipe's 33 landmarks in its documented order."""


@dataclass
class Landmark:
    """The fields of MediaPipe's `NormalizedLandmark` that are read."""

    x: float | None
    y: float | None
    visibility: float | None = 0.9


def body() -> list[Landmark]:
    return [Landmark(x=(i + 1) / 40, y=1 - (i + 1) / 50) for i in range(33)]


def test_landmarks_become_joints_in_pixels() -> None:
    (person,) = people_from_landmarks([body()], (500, 400), 0.3)
    assert person.keypoints.frame == (500, 400)
    for joint, name in enumerate(JOINTS):
        if name != "neck":
            i = NAMES.index(name)
            np.testing.assert_allclose(person.keypoints.yx[joint], (500 - 10 * (i + 1), 10 * (i + 1)), rtol=1e-5)
    shoulders = [JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")]
    np.testing.assert_allclose(person.keypoints.yx[1], person.keypoints.yx[shoulders].mean(axis=0))


def test_hidden_landmarks_are_missing_and_nobody_is_nobody() -> None:
    hidden = body()
    hidden[NAMES.index("left_wrist")].visibility = 0.1
    hidden[NAMES.index("left_hip")].visibility = None
    (person,) = people_from_landmarks([hidden], (100, 100), 0.3)
    assert person.missing == ["left_wrist", "left_hip"]
    assert people_from_landmarks([], (100, 100), 0.3) == []
    assert people_from_landmarks([[Landmark(0.5, 0.5, 0.0)] * 33], (100, 100), 0.3) == []


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = tmp_path / "pose_landmarker.task"
    task.write_bytes(b"zip")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(ValueError, match=r"cfld\[mediapipe\]"):
        open_detector("mediapipe", task)
    with pytest.raises(FileNotFoundError, match=r"pose_landmarker_full.task \(9 MB, licence Apache-2.0"):
        open_detector("mediapipe", tmp_path / "none.task")
