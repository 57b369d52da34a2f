"""What the formats have in common: people as a file describes them, and their conversion to `Person`s."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints, are_fractions, in_pixels
from cfld.poses.orders import Order, from_order
from cfld.poses.people import Person, person_of

Frame: TypeAlias = tuple[int, int]
"""(height, width) of an image in pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """A person as a file describes it.

    Attributes:
        xy: (number of keypoints, 2), pixels or fractions of the image; (0, 0) = not found.
        scores: (number of keypoints,), confidence or visibility; 0 = not found.
        orders: the orders that the keypoints may have, by their number.
        what: of the file the person is, for messages.
        size: of the image, if the file gives it.
        image: its name, if the file describes several.
    """

    xy: NDArray[np.float64]
    scores: NDArray[np.float64]
    orders: Mapping[int, Order]
    what: str
    size: Frame | None = None
    image: str = ""


Format: TypeAlias = Callable[[Any], Sequence[Described] | None]
"""The content of a file -> the people, or None if it has another format.

Raises ValueError if the content has this format but is malformed."""


def to_person(described: Described, frame: Frame | None, confidence: float) -> Person:
    """Converts a person to pixels of its image and OpenPose's joints.

    Args:
        frame: (height, width) of the image, if the file does not give it; None = unknown, which pixels of a 256 x 176
            image do not need.
        confidence: joints with a lower score are missing.

    Raises:
        ValueError: for an unknown number of joints, and if the size of the image is needed but unknown.
    """
    if (order := described.orders.get(len(described.xy))) is None:
        expected = " or ".join(map(str, sorted(described.orders)))
        raise ValueError(f"{described.what} has {len(described.xy)} joints; expected {expected}")
    scores = np.where((described.xy == 0).all(axis=1), 0, described.scores)
    yx, scores = from_order(order, described.xy[:, ::-1], scores, confidence)
    return person_of(_in_image(yx, described.size or frame), scores, described.image)


def _in_image(yx: NDArray[np.float32], size: Frame | None) -> Keypoints:
    if size is not None:
        return in_pixels(yx, size)
    height, width = DEEPFASHION_FRAME
    remedy = "give the height and width of the image with --frame HEIGHT WIDTH"
    if are_fractions(yx, DEEPFASHION_FRAME):
        raise ValueError(f"coordinates are fractions of an image, but its size is missing; {remedy}")
    if (np.nan_to_num(yx) > DEEPFASHION_FRAME).any():
        raise ValueError(f"gives no image size, and joints lie outside {height} x {width}; {remedy}")
    return Keypoints(yx, DEEPFASHION_FRAME)


def rows(numbers: Any, columns: int, what: str, expected: str = "x, y, confidence") -> NDArray[np.float64]:
    """The numbers of each joint (number of joints, columns), from a flat or a nested list.

    Raises:
        ValueError: naming `what`.
    """
    try:
        return np.asarray(numbers, dtype=np.float64).reshape(-1, columns)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what}: expected numbers {expected} for each joint") from None


def image_size(height: Any, width: Any) -> Frame | None:
    """(height, width) of an image, None if the file does not give both; `Keypoints` checks that they are a frame."""
    if height is None or width is None:
        return None
    if not all(isinstance(side, int | float) and side >= 1 for side in (height, width)):
        raise ValueError(f"height and width of the image must be numbers of at least 1, got {height!r} and {width!r}")
    return height, width


def objects(content: Any) -> list[Mapping[str, Any]]:
    """The items of a list if all are objects; otherwise none."""
    whole = isinstance(content, list) and all(isinstance(item, dict) for item in content)
    return content if whole else []
