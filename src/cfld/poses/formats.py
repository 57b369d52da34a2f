"""Keypoint files of other programs, recognised by what is in them.

OpenPose        {"people": [{"pose_keypoints_2d": [x, y, confidence, ... 25 or 18 times]}]}; the 25 are BODY_25
ControlNet      the same, written by DWPose and the like: with canvas_width and canvas_height, in pixels or as shares of
                them, a list of such images too
COCO            {"annotations": [{"keypoints": [x, y, v, ... 17 times]}], "images": [...]}, the list alone, or one entry
                of it; v is a visibility (0, 1, 2) or a confidence; the 133 of COCO-WholeBody begin with the 17
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.skeleton import JOINTS, NUM_JOINTS

COCO_JOINTS: Final = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""COCO's 17, which have no neck; COCO-WholeBody begins with them (Lin et al., 2014; Jin et al., 2020)."""
WHOLE_BODY: Final = 133
BODY_25: Final = (*range(8), *range(9, 19))
"""Where OpenPose's BODY_25 holds the 18: it has the middle of the hips after the wrists, and feet at the end."""
CONFIDENCE: Final = 0.3
"""Joints that a detector is less sure of are missing; DWPose and MMPose draw from here on, too."""
SHARES_END: Final = 2.0
"""Coordinates up to here are shares of the canvas; in pixels, the joints of a person lie further apart."""
UNDERSTOOD: Final = (
    'this project\'s {"frame": [h, w], "keypoints": [[y, x], ... 18 times]}, OpenPose and ControlNet JSON ("people"), '
    'COCO ("annotations", or a list with "keypoints"), annotation CSV (name:keypoints_y:keypoints_x)'
)


@dataclass(frozen=True, eq=False)
class Found:
    """One person as a file tells of them.

    Attributes:
        yx: float32 (18, 2), (y, x) in pixels; NaN = missing.
        scores: float32 (18,), the file's confidences or visibilities.
        frame: (height, width) of the image, where the file tells it.
        image: what the file calls the image that the person is in.
    """

    yx: NDArray[np.float32]
    scores: NDArray[np.float32]
    frame: tuple[int, int] | None = None
    image: str = ""


def parse_people(content: Any, confidence: float = CONFIDENCE) -> list[Found] | None:
    """The people of a JSON content; None where it is none of the formats above.

    Args:
        confidence: joints below it are missing.

    Raises:
        ValueError: saying what is wrong, where the format is one of them and its content is not.
    """
    if _is_people(content):
        return _openpose(content, confidence)
    if isinstance(content, list) and content and all(map(_is_people, content)):
        return [
            Found(one.yx, one.scores, one.frame, f"image {i + 1}")
            for i, image in enumerate(content)
            for one in _openpose(image, confidence)
        ]
    if isinstance(content, dict) and "annotations" in content:
        return _coco(content["annotations"], content.get("images", []), confidence)
    if is_annotation(content):
        return _coco([content], [], confidence)
    if isinstance(content, list) and content and all(map(is_annotation, content)):
        return _coco(content, [], confidence)
    return None


def from_coco(
    yx: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]], confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """COCO's 17 joints, or what begins with them -> OpenPose's 18.

    The neck is the middle of the shoulders, as sure as the less sure of them, and missing where either is.

    Args:
        yx: (17 or more, 2); scores: (17 or more,).
        confidence: joints below it are missing.

    Returns:
        (18, 2) with NaN for missing joints, and (18,).
    """
    where = {name: index for index, name in enumerate(COCO_JOINTS)}
    shoulders = [where["left_shoulder"], where["right_shoulder"]]
    positions = [yx[shoulders].mean(axis=0) if name == "neck" else yx[where[name]] for name in JOINTS]
    sure = [scores[shoulders].min() if name == "neck" else scores[where[name]] for name in JOINTS]
    return _without_unsure(np.array(positions), np.array(sure), confidence)


def _openpose(content: Mapping[str, Any], confidence: float) -> list[Found]:
    size = (content.get("canvas_height"), content.get("canvas_width"))
    frame = None if None in size else _frame(*size)
    return [
        Found(*_openpose_person(person, number, frame, confidence), frame)
        for number, person in enumerate(content["people"], start=1)
        if isinstance(person, dict) and person.get("pose_keypoints_2d")
    ]


def _openpose_person(
    person: Mapping[str, Any], number: int, frame: tuple[int, int] | None, confidence: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows = _triples(person["pose_keypoints_2d"], f"pose_keypoints_2d of person {number}")
    if len(rows) not in (NUM_JOINTS, 25):
        raise ValueError(
            f"person {number} has {len(rows)} joints; understood are OpenPose's BODY_25 and the {NUM_JOINTS} of COCO"
        )
    rows = rows[list(BODY_25)] if len(rows) == 25 else rows
    yx, scores = rows[:, 1::-1], rows[:, 2]
    if 0 < np.abs(yx).max() <= SHARES_END:
        if frame is None:
            raise ValueError("coordinates are shares of a canvas, and canvas_height and canvas_width are not told")
        yx = yx * frame
    scores = np.where((rows[:, :2] == 0).all(axis=1), 0, scores)  # written for joints that were not found
    return _without_unsure(yx, scores, confidence)


def _coco(annotations: Any, images: Any, confidence: float) -> list[Found]:
    if not isinstance(annotations, list) or not isinstance(images, list):
        raise ValueError('"annotations" and "images" must be lists')
    sizes = {image.get("id"): image for image in images if isinstance(image, dict)}
    return [
        _coco_person(annotation, number, sizes, confidence)
        for number, annotation in enumerate(annotations, start=1)
        if isinstance(annotation, dict) and annotation.get("keypoints")
    ]


def _coco_person(annotation: Mapping[str, Any], number: int, images: Mapping[Any, Any], confidence: float) -> Found:
    rows = _triples(annotation["keypoints"], f"keypoints of annotation {number}")
    if len(rows) not in (len(COCO_JOINTS), WHOLE_BODY):
        raise ValueError(
            f"annotation {number} has {len(rows)} joints; understood are COCO's {len(COCO_JOINTS)} and {WHOLE_BODY}"
        )
    image = images.get(annotation.get("image_id"), {})
    size = (image.get("height"), image.get("width"))
    yx, scores = from_coco(rows[:, 1::-1], rows[:, 2], confidence)
    name = image.get("file_name", annotation.get("image_id", ""))
    return Found(yx, scores, None if None in size else _frame(*size), str(name))


def _triples(numbers: Any, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(numbers, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError):
        raise ValueError(f"{what}: expected numbers x, y, confidence for each joint") from None


def _frame(height: Any, width: Any) -> tuple[int, int]:
    if not all(isinstance(side, int | float) and side >= 1 for side in (height, width)):
        raise ValueError(f"the image's height and width are not lengths: {height!r} and {width!r}")
    return int(height), int(width)


def _without_unsure(
    yx: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]], confidence: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    there = (scores >= confidence) & (scores > 0)
    return np.where(there[:, None], yx, np.nan).astype(np.float32), scores.astype(np.float32)


def _is_people(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def is_annotation(content: Any) -> bool:
    """Whether a JSON content is one person of COCO's; not this project's own, whose keypoints are pairs."""
    numbers = content.get("keypoints") if isinstance(content, dict) else None
    return isinstance(numbers, list) and bool(numbers) and all(isinstance(n, int | float) for n in numbers[:3])
