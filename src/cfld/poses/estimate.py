"""Keypoints from an image: one interface to several pose detectors."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cfld.poses.people import CONFIDENCE, Person, choose_person
from cfld.poses.registry import DETECTORS

logger = logging.getLogger(__name__)


class Detector(Protocol):
    """Detects people: uint8 (H, W, 3), RGB -> people with joints in pixels of the image; empty if there are none."""

    def __call__(self, image: NDArray[np.uint8], /) -> list[Person]: ...


def open_detector(
    backend: str = "auto",
    model: Path | None = None,
    boxes: Path | None = None,
    confidence: float = CONFIDENCE,
) -> Detector:
    """Opens a pose detector.

    Args:
        backend: a name in `DETECTORS`: `mannequin` for mannequins; `rtmpose` (RTMPose or DWPose as ONNX) and
            `mediapipe` (MediaPipe's pose landmarker) for photographs; `auto` decides by the image.
        model: model file, or folder for `mannequin`; None = the bundled or published one, downloaded once.
        boxes: file of the person detector, for backends that have a separate one (`rtmpose`: YOLOX as ONNX). None =
            the published one with the published model, otherwise the whole image is the box of one person.
        confidence: joints with a lower score are missing; in [0, 1).

    Raises:
        ValueError: for invalid arguments or files, or if a package is not installed.
        FileNotFoundError: if a file is missing and cannot be downloaded; says where to put it.
    """
    if not 0 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0 and below 1, got {confidence}")
    open_backend = DETECTORS[backend]
    if boxes is None:
        return open_backend(model, confidence)
    if "boxes" not in inspect.signature(open_backend).parameters:
        raise ValueError(f"backend {backend} has no separate person detector; leave out --detector")
    return open_backend(model, confidence, boxes=boxes)


def find_person(detector: Detector, image: NDArray[np.uint8], name: str, person: int | None = None) -> Person:
    """Detects one person in an image, by default the largest; the log lists the missing joints.

    Args:
        image: uint8 (H, W, 3), RGB.
        name: of the image, for messages.
        person: 1-based number, by decreasing size.

    Raises:
        ValueError: if nobody is found or there is no person of this number, or by the detector; names the image.
    """
    try:
        people = detector(image)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not people:
        raise ValueError(f"{name}: nobody found; crop an image of many or small people to one of them")
    found = choose_person(people, person, name)
    if found.missing:
        logger.warning("%s: joints not visible: %s", name, ", ".join(found.missing))
    return found
