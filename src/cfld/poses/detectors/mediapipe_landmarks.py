"""MediaPipe's pose landmarker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors import files
from cfld.poses.detectors.mediapipe_tasks import MAX_PEOPLE, open_task, to_frame
from cfld.poses.keypoints import Keypoints
from cfld.poses.orders import MEDIAPIPE, from_order
from cfld.poses.people import Person, person_of


class Landmark(Protocol):
    """MediaPipe's landmark: x and y as fractions of the image's width and height, visibility in [0, 1]."""

    x: float | None
    y: float | None
    visibility: float | None


class MediaPipe:
    """Detects people in photographs."""

    def __init__(self, model: Path | None, confidence: float) -> None:
        """
        Args:
            model: a task file, `pose_landmarker_*.task`; None = the published one.
            confidence: joints with a lower visibility are missing.

        Raises:
            ValueError: if the file is not a pose landmarker, or mediapipe is not installed.
        """
        self._open = open_task("pose landmarker", files.obtain(files.POSE_LANDMARKER, model), num_poses=MAX_PEOPLE)
        self._confidence = confidence

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`."""
        with self._open() as landmarker:
            landmarks = landmarker.detect(to_frame(image)).pose_landmarks
        return people_from_landmarks(landmarks, image.shape[:2], self._confidence)


def people_from_landmarks(
    people: Sequence[Sequence[Landmark]], frame: tuple[int, int], confidence: float
) -> list[Person]:
    """Converts MediaPipe's `pose_landmarks`; people without a visible joint are left out.

    Args:
        frame: (height, width) of the image in pixels.
        confidence: joints with a lower visibility are missing.
    """
    found = []
    for landmarks in people:
        yx = np.array([(one.y or 0.0, one.x or 0.0) for one in landmarks]) * frame
        visibility = np.array([one.visibility or 0.0 for one in landmarks])
        joints, scores = from_order(MEDIAPIPE, yx, visibility, confidence)
        found.append(person_of(Keypoints(joints, frame), scores))
    return [person for person in found if person.keypoints.visible.any()]
