"""Keypoints as NumPy arrays.

.npy    (joints, 2) or (joints, 3), or several: (people, joints, ...): x, y and, with 3, the confidence; the number of
        joints tells their order, as in JSON. (33, 4) are MediaPipe's x, y, z, visibility, (33, 3) without the last.
        (18, 2) is this project's own: y, x, with -1 for a missing joint.
.npz    such an array, called "keypoints" if there are several; "scores" or "keypoint_scores" its confidences (people,
        joints); "frame" the (height, width) of the image
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.formats.content import Described, image_size
from cfld.poses.formats.mediapipe import COUNT
from cfld.poses.orders import COCO_ORDERS, MEDIAPIPE, OPENPOSE_ORDERS
from cfld.poses.skeleton import NUM_JOINTS

SCORES: Final = ("scores", "keypoint_scores")
ORDERS: Final = {**OPENPOSE_ORDERS, **COCO_ORDERS, COUNT: MEDIAPIPE}
MAX_PEOPLE: Final = 10_000


def read_arrays(arrays: Mapping[str, NDArray[Any]]) -> list[Described]:
    """The people of an archive, or of an array called "keypoints".

    Raises:
        ValueError: for other names and shapes, and for values that are not numbers.
    """
    joints = _people(_keypoints(arrays))
    size = image_size(*np.ravel(arrays["frame"])[:2].tolist()) if "frame" in arrays else None
    given = next((np.asarray(arrays[key]) for key in SCORES if key in arrays), None)
    if given is not None and given.size != joints.shape[0] * joints.shape[1]:
        raise ValueError(f"scores of shape {given.shape} do not belong to keypoints of shape {joints.shape}")
    scores = _scores(joints) if given is None else given.reshape(joints.shape[:2])
    own = joints.shape[1:] == (NUM_JOINTS, 2)
    return [
        Described(
            xy=(person[:, ::-1] if own else person[:, :2]).astype(np.float64),
            scores=np.where((person == -1).any(axis=1), 0, score) if own else score.astype(np.float64),
            orders=ORDERS,
            what=f"person {number}",
            size=size,
        )
        for number, (person, score) in enumerate(zip(joints, scores, strict=True), start=1)
    ]


def _keypoints(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if "keypoints" in arrays:
        return arrays["keypoints"]
    if len(arrays) != 1:
        raise ValueError(f'expected an array called "keypoints", got {", ".join(map(repr, sorted(arrays)[:8]))}')
    return next(iter(arrays.values()))


def _people(values: NDArray[Any]) -> NDArray[Any]:
    """(people, joints, columns)."""
    people = values[None] if values.ndim == 2 else values
    if people.ndim != 3 or people.shape[2] not in (2, 3, 4) or values.dtype.kind not in "fiu":
        raise ValueError(
            f"an array of shape {values.shape} and type {values.dtype}; expected numbers (joints, 2 to 4) or (people, "
            "joints, 2 to 4)"
        )
    if len(people) > MAX_PEOPLE:
        raise ValueError(f"keypoints of {len(people)} people; the limit is {MAX_PEOPLE}")
    return people


def _scores(joints: NDArray[Any]) -> NDArray[Any]:
    """(people, joints): the last column, if it is one of confidences."""
    with_depth, columns = joints.shape[1] == COUNT, joints.shape[2]
    return joints[:, :, -1] if columns == (4 if with_depth else 3) else np.ones(joints.shape[:2])
