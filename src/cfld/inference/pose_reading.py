"""Poses from whatever a user has: images of people, and keypoint files."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from cfld.data.transforms import read_image
from cfld.poses.estimate import Detector, find_person, open_detector
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.poses.people import CONFIDENCE


class PoseReader:
    """Reads poses; the detector is opened at the first image, once."""

    def __init__(
        self,
        make_detector: Callable[[], Detector] = open_detector,
        person: int | None = None,
        confidence: float = CONFIDENCE,
    ) -> None:
        """
        Args:
            make_detector: what opens the detector for images.
            person: which of several people, counted from the largest; none = the largest.
            confidence: joints that a keypoint file is less sure of are missing; a detector has its own.
        """
        self._make_detector, self._person, self._confidence = make_detector, person, confidence

    def image(self, image: Image.Image, name: str) -> Keypoints:
        """The pose of the person in an upright RGB image.

        Raises:
            ValueError: naming the image, when nobody is found.
        """
        return find_person(self._detector, np.asarray(image.convert("RGB")), name, self._person).keypoints

    def file(self, path: Path, frame: tuple[int, int] = DEEPFASHION_FRAME) -> Keypoints:
        """The pose in an image, or in a keypoint file of any known format.

        Args:
            frame: (height, width) that the coordinates of a file refer to which does not tell.

        Raises:
            ValueError: naming the file, when it is neither, or nobody is in it.
        """
        if is_image_file(path):
            return self.image(read_image(path), str(path))
        return load_keypoints(path, self._person, frame, self._confidence)

    @cached_property
    def _detector(self) -> Detector:
        return self._make_detector()


def is_image_file(path: Path) -> bool:
    """Whether a file's name ends as that of an image that Pillow reads."""
    return Image.registered_extensions().get(path.suffix.lower()) in Image.OPEN
