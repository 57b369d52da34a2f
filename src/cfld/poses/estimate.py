"""Keypoints from a picture: one interface, several detectors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors import files
from cfld.poses.formats import CONFIDENCE
from cfld.poses.keypoints import Person, choose_person

logger = logging.getLogger(__name__)

Backend = Literal["mannequin", "rtmpose", "mediapipe"]
DRAWN_ONLY: Final = (
    "the bundled keypoint network knows drawn people only; for photographs take --backend rtmpose or mediapipe"
)


class Detector(Protocol):
    """Finds people: uint8 (H, W, 3), RGB -> everybody, with joints in pixels of the picture; empty = nobody."""

    def __call__(self, image: NDArray[np.uint8], /) -> list[Person]: ...


def open_detector(
    backend: Backend = "mannequin",
    model: Path | None = None,
    boxes: Path | None = None,
    confidence: float = CONFIDENCE,
) -> Detector:
    """The detector of that name.

    Args:
        backend: `mannequin` for drawn people, comes with the package; `rtmpose` for photographs, RTMPose or DWPose as
            ONNX; `mediapipe` for photographs, MediaPipe's pose landmarker.
        model: its file (`mannequin`: its folder); none = the bundled or published one, downloaded once.
        boxes: of `rtmpose`: the YOLOX file that finds people first; none = the published one where the pose model is
            the published one too, else the whole picture is one person.
        confidence: joints with a lower score are missing.

    Raises:
        ValueError: naming what is wrong, or which package to install.
        FileNotFoundError: saying which file to get and where to put it.
    """
    if not 0 <= confidence < 1:
        raise ValueError(f"confidence must be at least 0 and below 1, got {confidence}")
    if boxes is not None and backend != "rtmpose":
        raise ValueError(f"--detector is of the backend rtmpose; {backend} finds people by itself")
    if backend == "rtmpose":
        return _open_rtmpose(model, boxes, confidence)
    if backend == "mediapipe":
        from cfld.poses.detectors.mediapipe_landmarks import MediaPipe

        return MediaPipe(files.obtain(files.POSE_LANDMARKER, model), confidence)
    from cfld.poses.detectors.mannequin import BUNDLED, MannequinDetector

    if model is None:
        logger.warning(DRAWN_ONLY)
    return MannequinDetector(model or BUNDLED, confidence)


def find_person(detector: Detector, image: NDArray[np.uint8], name: str, person: int | None = None) -> Person:
    """The person asked for, else the largest, in a picture; what is missing of them is told in the log.

    Args:
        image: uint8 (H, W, 3), RGB.
        name: what messages call the picture.
        person: counted from the largest, which is 1.

    Raises:
        ValueError: naming the picture, when nobody is found or there is no such person.
    """
    found = choose_person(detector(image), person, name)
    if found.missing:
        logger.warning("%s: not seen, so missing: %s", name, ", ".join(found.missing))
    return found


def _open_rtmpose(model: Path | None, boxes: Path | None, confidence: float) -> Detector:
    from cfld.poses.detectors.rtmpose import RTMPose
    from cfld.poses.detectors.yolox import Yolox

    path = files.obtain(files.DWPOSE, model)
    find_boxes = Yolox(files.obtain(files.YOLOX, boxes)) if boxes is not None or model is None else None
    return RTMPose(path, confidence, find_boxes)
