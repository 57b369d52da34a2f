"""People detected in an image or read from a file, and the choice of one of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import JOINTS

logger = logging.getLogger(__name__)

CONFIDENCE: Final = 0.3
"""Default threshold below which a joint counts as missing; also that of DWPose and MMPose for drawing."""
MAX_LISTED: Final = 8
"""People listed in a message."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """A person in an image.

    Attributes:
        keypoints: in pixels of the image; joints below the confidence threshold are missing.
        scores: float32 (18,), confidence of each joint, missing ones included.
        box: (top, left, bottom, right) in pixels.
        image: name of the image, if a file describes several.
    """

    keypoints: Keypoints
    scores: NDArray[np.float32]
    box: tuple[float, float, float, float]
    image: str = ""

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def missing(self) -> list[str]:
        """Names of the missing joints."""
        return [name for name, visible in zip(JOINTS, self.keypoints.visible, strict=True) if not visible]

    def __str__(self) -> str:
        top, left, bottom, right = (round(side) for side in self.box)
        where = f"{int(self.keypoints.visible.sum())} joints in rows {top} to {bottom}, columns {left} to {right}"
        return f"{self.image}, {where}" if self.image else where


def person_of(keypoints: Keypoints, scores: NDArray[np.float32] | None = None, image: str = "") -> Person:
    """A `Person` whose box is that of the visible joints, empty if there are none; scores default to 1 and 0."""
    box = joint_box(keypoints) if keypoints.visible.any() else (0.0, 0.0, 0.0, 0.0)
    scores = keypoints.visible.astype(np.float32) if scores is None else scores
    return Person(keypoints=keypoints, scores=scores, box=box, image=image)


def joint_box(keypoints: Keypoints) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) of the visible joints, of which there must be at least one."""
    yx = keypoints.yx[keypoints.visible].astype(float)
    (top, left), (bottom, right) = yx.min(axis=0), yx.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def choose_person(people: Sequence[Person], person: int | None = None, name: str = "image") -> Person:
    """Returns one of several people, by default the largest; the log lists the others.

    Args:
        person: 1-based number, by decreasing size; in the order of the file if it describes several images.
        name: of the image or file, for messages.

    Raises:
        ValueError: if there is nobody, no person of this number, or no number and several images; names `name`.
    """
    if not people:
        raise ValueError(f"{name}: nobody found")
    several_images = len({one.image for one in people}) > 1
    order = list(people) if several_images else sorted(people, key=lambda one: -one.area)
    listed = "; ".join(f"{number}: {one}" for number, one in enumerate(order[:MAX_LISTED], start=1))
    listed += f"; and {len(order) - MAX_LISTED} more" if len(order) > MAX_LISTED else ""
    if person is not None and not 1 <= person <= len(order):
        raise ValueError(f"{name}: there is no person {person}, there are {len(order)} ({listed})")
    if person is None and several_images:
        raise ValueError(f"{name}: describes people in several images; choose one with --person K ({listed})")
    if person is None and len(order) > 1:
        logger.warning("%s: %d people, using the largest; --person K chooses another (%s)", name, len(order), listed)
    return order[0 if person is None else person - 1]
