"""Dumps of MediaPipe's 33 pose landmarks, which are fractions of the image.

a person    33 times {"x": x, "y": y, "z": z, "visibility": v}, or [x, y, z, v]
a result    {"pose_landmarks": a person or a list of people}; also "poseLandmarks", "landmarks" and "landmark", as the
            Tasks API, its JavaScript and protobuf's JSON call them; "width" and "height" of the image are read, too
a video     a list of results
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from cfld.poses.formats.content import Described, image_size, objects
from cfld.poses.orders import MEDIAPIPE

KEYS: Final = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark")
COUNT: Final = 33


def read_landmarks(content: Any) -> list[Described] | None:
    """See `content.Format`."""
    if (people := _result(content, "")) is not None:
        return people
    frames = [_result(result, f"image {number}") for number, result in enumerate(objects(content), start=1)]
    if not frames or any(people is None for people in frames):
        return None
    return [person for people in frames for person in people or []]


def _result(content: Any, image: str) -> list[Described] | None:
    """The people of one result, None if it is none."""
    size = None
    while isinstance(content, dict):
        key = next((key for key in KEYS if key in content), None)
        if key is None:
            return None
        size, content = image_size(content.get("height"), content.get("width")) or size, content[key]
    people = [content] if _is_person(content) else content
    if not isinstance(people, list) or not all(map(_is_person, people)) or (not people and not image):
        return None
    return [_person(person, f"person {number}", size, image) for number, person in enumerate(people, start=1)]


def _is_person(content: Any) -> bool:
    """Whether a JSON content is 33 landmarks; lists of 33 pairs have no depth, so they are something else."""
    return (
        isinstance(content, list)
        and len(content) == COUNT
        and all({"x", "y"} <= one.keys() if isinstance(one, dict) else _is_list(one) for one in content)
    )


def _is_list(landmark: Any) -> bool:
    return isinstance(landmark, list) and len(landmark) >= 3


def _person(landmarks: list[Any], what: str, size: tuple[int, int] | None, image: str) -> Described:
    try:
        table = np.array([_numbers(one) for one in landmarks], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"landmarks of {what}: expected numbers x, y, z and visibility") from None
    return Described(xy=table[:, :2], scores=table[:, 2], orders={COUNT: MEDIAPIPE}, what=what, size=size, image=image)


def _numbers(landmark: Any) -> tuple[Any, Any, Any]:
    """x, y and visibility, 1 if it is not given."""
    if isinstance(landmark, dict):
        return landmark["x"], landmark["y"], landmark.get("visibility", 1.0)
    return landmark[0], landmark[1], landmark[3] if len(landmark) > 3 else 1.0
