"""Keypoints from an image: one interface, several detectors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfld.poses.formats import CONFIDENCE
from cfld.poses.keypoints import Person, choose_person
from cfld.poses.registry import DETECTORS

logger = logging.getLogger(__name__)


class Detector(Protocol):
    """Finds people: uint8 (H, W, 3), RGB -> everybody, with joints in pixels of the image; empty = nobody."""

    def __call__(self, image: NDArray[np.uint8], /) -> list[Person]: ...


def open_detector(
    backend: str = "mannequin",
    model: Path | None = None,
    boxes: Path | None = None,
    confidence: float = CONFIDENCE,
) -> Detector:
    """The detector of that name.

    Args:
        backend: `mannequin` for mannequins, comes with the package; `rtmpose` for photographs, RTMPose or DWPose as
            ONNX; `mediapipe` for photographs, MediaPipe's pose landmarker.
        model: its file (`mannequin`: its folder); none = the bundled or published one, downloaded once.
        boxes: of `rtmpose`: the YOLOX file that finds people first; none = the published one where the pose model is
            the published one too, else the whole image is one person.
        confidence: joints with a lower score are missing.

    Raises:
        ValueError: naming what is wrong, or which package to install.
        FileNotFoundError: saying which file to get and where to put it.
    """
    if not 0 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0 and below 1, got {confidence}")
    if boxes is not None and backend != "rtmpose":
        raise ValueError(f"--detector is of the backend rtmpose; {backend} finds people by itself")
    return DETECTORS[backend](model, boxes, confidence)


def find_person(detector: Detector, image: NDArray[np.uint8], name: str, person: int | None = None) -> Person:
    """The person asked for, else the largest, in an image; what is missing of them is told in the log.

    Args:
        image: uint8 (H, W, 3), RGB.
        name: what messages call the image.
        person: counted from the largest, which is 1.

    Raises:
        ValueError: naming the image, when nobody is found or there is no such person.
    """
    found = choose_person(detector(image), person, name)
    if found.missing:
        logger.warning("%s: not seen, so missing: %s", name, ", ".join(found.missing))
    return found
