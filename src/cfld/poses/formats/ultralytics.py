"""Results of Ultralytics' pose models, and the labels that they are trained on.

.txt    a line a person: class, box (x, y, w, h), then x, y and confidence (or visibility) of each joint, or x, y alone;
        with save_conf and tracking, the confidence of the box and a number follow. Fractions of the image.
JSON    of Results.to_json: [{"name": "person", "keypoints": {"x": [...], "y": [...], "visible": [...]}}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cfld.poses.formats.content import Described, objects, rows
from cfld.poses.orders import COCO_JOINTS, COCO_ORDERS

BEFORE: Final = 5
"""Numbers of a line before those of the joints."""
AFTER: Final = 2
"""Numbers that may follow them."""


def read_results(content: Any) -> list[Described] | None:
    """JSON; see `content.Format`."""
    people = objects(content)
    if not people or not all(isinstance(person.get("keypoints"), dict) for person in people):
        return None
    return [_person(person["keypoints"], f"person {number}") for number, person in enumerate(people, start=1)]


def read_labels(lines: Sequence[str]) -> list[Described] | None:
    """The lines of a text file; see `content.Format`."""
    numbers = [_numbers(line) for line in lines]
    if not numbers or any(line is None or len(line) <= BEFORE for line in numbers):
        return None
    return [_label(line, f"line {number}") for number, line in enumerate(numbers, start=1) if line]


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _label(numbers: Sequence[float], what: str) -> Described:
    for columns in (3, 2):
        joints = numbers[BEFORE : BEFORE + columns * len(COCO_JOINTS)]
        after = len(numbers) - BEFORE - columns * len(COCO_JOINTS)
        if 0 <= after <= AFTER:
            table = rows(joints, columns, what)
            scores = table[:, 2] if columns == 3 else np.ones(len(table))
            return Described(xy=table[:, :2], scores=scores, orders=COCO_ORDERS, what=what)
    raise ValueError(
        f"{what} has {len(numbers)} numbers; Ultralytics writes {BEFORE} of the box, 3 or 2 for each of the "
        f"{len(COCO_JOINTS)} joints, and up to {AFTER} more"
    )


def _person(keypoints: Mapping[str, Any], what: str) -> Described:
    x, y = (rows(keypoints.get(axis), 1, f"keypoints of {what}", "x and y") for axis in "xy")
    scores = rows(keypoints.get("visible", np.ones(len(x))), 1, f"keypoints of {what}", "visible")
    if not len(x) == len(y) == len(scores):
        raise ValueError(f"{what} has {len(x)} x, {len(y)} y and {len(scores)} visible")
    return Described(xy=np.hstack([x, y]), scores=scores[:, 0], orders=COCO_ORDERS, what=what)
