"""MediaPipe's pose landmarker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors import files
from cfld.poses.keypoints import Keypoints
from cfld.poses.orders import MEDIAPIPE, from_order
from cfld.poses.people import Person, person_of

MAX_PEOPLE: Final = 10


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
        path = files.obtain(files.POSE_LANDMARKER, model)
        os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe's own messages, which say nothing to users
        try:
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError:
            raise ValueError("backend mediapipe needs the package mediapipe: pip install 'cfld[mediapipe]'") from None
        self._options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)), num_poses=MAX_PEOPLE
        )
        try:
            self._open().close()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{path}: not a pose landmarker task ({' '.join(str(error).split())[:160]})") from None
        self._confidence = confidence

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`."""
        import mediapipe

        frame = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        with self._open() as landmarker:
            landmarks = landmarker.detect(frame).pose_landmarks
        return people_from_landmarks(landmarks, image.shape[:2], self._confidence)

    def _open(self) -> Any:
        """A landmarker for one image: MediaPipe's finalizer can wait for itself, so that none may be left to it."""
        from mediapipe.tasks.python import vision

        return vision.PoseLandmarker.create_from_options(self._options)


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
