"""Keypoint files of this project and of other programs, recognised by their content.

own JSON        {"frame": [h, w], "keypoints": [[y, x], ... 18 times]}, or the list alone
annotation CSV  name:keypoints_y:keypoints_x, as DeepFashion's
OpenPose        {"people": [{"pose_keypoints_2d": [x, y, confidence, ... 25 or 18 times]}]}; the 25 are BODY_25
ControlNet      the same, as DWPose writes it: with canvas_width and canvas_height, in pixels or as fractions of the
                canvas; or a list of such images
COCO            {"annotations": [{"keypoints": [x, y, v, ... 17 times]}], "images": [...]}, the list alone, or one entry
                of it; v is a visibility (0, 1, 2) or a confidence; COCO-WholeBody has 133, the first 17 are COCO's

Where a file states the size of its image, coordinates may be fractions of it (`keypoints.are_fractions`). Another JSON
format is one function here and one row in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.poses.coco import COCO_JOINTS, WHOLE_BODY, from_coco, without_uncertain
from cfld.poses.keypoints import (
    ANNOTATION_HEADER,
    DEEPFASHION_FRAME,
    Keypoints,
    are_fractions,
    in_pixels,
    parse_annotation,
    parse_keypoints,
)
from cfld.poses.people import CONFIDENCE, Person, choose_person, person_of
from cfld.poses.skeleton import NUM_JOINTS
from cfld.readers.text import parse_json, read_text

Frame: TypeAlias = tuple[int, int]
Format: TypeAlias = Callable[[Any, Frame, float], list[Person] | None]
"""(JSON content, frame if the file gives none, confidence) -> the people, or None if the content has another format.

Raises ValueError if the content has this format but is malformed."""

BODY_25: Final = (*range(8), *range(9, 19))
"""Positions of the 18 joints in OpenPose's BODY_25, which has a mid-hip joint after the wrists and the feet last."""


def load_keypoints(
    path: str | Path, person: int | None = None, frame: Frame = DEEPFASHION_FRAME, confidence: float = CONFIDENCE
) -> Keypoints:
    """Reads the pose of one person from a file of any format above.

    Args:
        person: number of the person, see `choose_person`.
        frame: (height, width) of the image, if the file does not give it.
        confidence: joints with a lower confidence are missing.

    Raises:
        ValueError: if the file has none of the formats or describes nobody; see also `choose_person`. Names the file.
    """
    return choose_person(load_people(path, frame, confidence), person, str(path)).keypoints


def load_people(path: str | Path, frame: Frame = DEEPFASHION_FRAME, confidence: float = CONFIDENCE) -> list[Person]:
    """Reads everybody in a keypoint file; arguments and errors as in `load_keypoints`."""
    path = Path(path)
    text = read_text(path)
    if text.lstrip().startswith(ANNOTATION_HEADER):
        return _annotations(text, frame, path)
    return parse_people(parse_json(text, str(path)), frame, str(path), confidence)


def parse_people(
    content: Any, frame: Frame = DEEPFASHION_FRAME, name: str = "poses", confidence: float = CONFIDENCE
) -> list[Person]:
    """Everybody in the content of a JSON file; arguments and errors as in `load_keypoints`, messages name `name`."""
    try:
        for read in FORMATS.values():
            people = read(content, frame, confidence)
            if people is not None:
                return [person for person in people if person.keypoints.visible.any()]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if isinstance(content, dict) and "keypoints" not in content:
        raise ValueError(f'{name}: no "keypoints" in it; supported formats: {", ".join(SUPPORTED)}')
    return [person_of(parse_keypoints(content, frame, name))]


def is_coco_annotation(content: Any) -> bool:
    """Whether a JSON content is one of COCO's annotations; this project's own keypoints are pairs, not numbers."""
    numbers = content.get("keypoints") if isinstance(content, dict) else None
    return isinstance(numbers, list) and bool(numbers) and all(isinstance(n, int | float) for n in numbers[:3])


def _openpose(content: Any, frame: Frame, confidence: float) -> list[Person] | None:
    if _is_openpose(content):
        return _openpose_image(content, frame, confidence)
    if isinstance(content, list) and content and all(map(_is_openpose, content)):
        images = enumerate(content, start=1)
        return [p for i, image in images for p in _openpose_image(image, frame, confidence, f"image {i}")]
    return None


def _is_openpose(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def _openpose_image(content: Mapping[str, Any], frame: Frame, confidence: float, image: str = "") -> list[Person]:
    canvas = _size(content.get("canvas_height"), content.get("canvas_width"))
    return [
        _person(*_openpose_joints(person, number, confidence), canvas, frame, image)
        for number, person in enumerate(content["people"], start=1)
        if isinstance(person, dict) and person.get("pose_keypoints_2d")
    ]


def _openpose_joints(
    person: Mapping[str, Any], number: int, confidence: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows = _triples(person["pose_keypoints_2d"], f"pose_keypoints_2d of person {number}")
    if len(rows) not in (NUM_JOINTS, 25):
        raise ValueError(
            f"person {number} has {len(rows)} joints; expected the 25 of OpenPose's BODY_25 or its {NUM_JOINTS} of COCO"
        )
    rows = rows[list(BODY_25)] if len(rows) == 25 else rows
    yx, scores = rows[:, 1::-1], rows[:, 2]
    scores = np.where((rows[:, :2] == 0).all(axis=1), 0, scores)  # (0, 0) is written for joints that were not found
    return without_uncertain(yx, scores, confidence)


def _coco(content: Any, frame: Frame, confidence: float) -> list[Person] | None:
    if isinstance(content, dict) and "annotations" in content:
        annotations, images = content["annotations"], content.get("images", [])
    elif is_coco_annotation(content):
        annotations, images = [content], []
    elif isinstance(content, list) and content and all(map(is_coco_annotation, content)):
        annotations, images = content, []
    else:
        return None
    if not isinstance(annotations, list) or not isinstance(images, list):
        raise ValueError('"annotations" and "images" must be lists')
    by_id = {str(image.get("id")): image for image in images if isinstance(image, dict)}
    return [
        _coco_person(annotation, number, by_id.get(str(annotation.get("image_id")), {}), frame, confidence)
        for number, annotation in enumerate(annotations, start=1)
        if isinstance(annotation, dict) and annotation.get("keypoints")
    ]


def _coco_person(
    annotation: Mapping[str, Any], number: int, image: Mapping[str, Any], frame: Frame, confidence: float
) -> Person:
    rows = _triples(annotation["keypoints"], f"keypoints of annotation {number}")
    if len(rows) not in (len(COCO_JOINTS), WHOLE_BODY):
        raise ValueError(f"annotation {number} has {len(rows)} joints; expected {len(COCO_JOINTS)} or {WHOLE_BODY}")
    size = _size(image.get("height"), image.get("width"))
    name = image.get("file_name", annotation.get("image_id", ""))
    return _person(*from_coco(rows[:, 1::-1], rows[:, 2], confidence), size, frame, str(name))


FORMATS: Final[dict[str, Format]] = {
    'OpenPose and ControlNet JSON ("people")': _openpose,
    'COCO ("annotations", or a list with "keypoints")': _coco,
}
"""What messages call the format -> its reader."""
SUPPORTED: Final = (
    'this project\'s {"frame": [h, w], "keypoints": [[y, x], ... 18 times]}',
    *FORMATS,
    f"annotation CSV ({ANNOTATION_HEADER})",
)


def _annotations(text: str, frame: Frame, path: Path) -> list[Person]:
    rows = [line.rsplit(":", 2) for line in text.split("\n")[1:] if line.strip()]
    if wrong := [number for number, row in enumerate(rows, start=2) if len(row) != 3]:
        raise ValueError(f"{path}, line {wrong[0]}: expected {ANNOTATION_HEADER}")
    return [person_of(parse_annotation(y, x, frame, f"{path}, {name}"), image=name) for name, y, x in rows]


def _triples(numbers: Any, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(numbers, dtype=np.float64).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what}: expected numbers x, y, confidence for each joint") from None


def _size(height: Any, width: Any) -> Frame | None:
    """(height, width) of an image, None if the file does not give both; `Keypoints` checks that they are a frame."""
    if height is None or width is None:
        return None
    if not all(isinstance(side, int | float) and side >= 1 for side in (height, width)):
        raise ValueError(f"height and width of the image must be numbers of at least 1, got {height!r} and {width!r}")
    return height, width


def _person(
    yx: NDArray[np.float32], scores: NDArray[np.float32], size: Frame | None, frame: Frame, image: str
) -> Person:
    """A person in an image of this size, or of `frame` if the file gives no size."""
    if size is not None:
        return person_of(in_pixels(yx, size), scores, image)
    if are_fractions(yx, frame):
        raise ValueError(
            "coordinates are fractions of an image, but its size is missing: canvas_height and canvas_width, "
            "in COCO height and width of the image"
        )
    if (np.nan_to_num(yx) > frame).any():
        raise ValueError(
            f"gives no image size, and joints lie outside {frame[0]} x {frame[1]}; set it with --frame HEIGHT WIDTH"
        )
    return person_of(Keypoints(yx, frame), scores, image)
