"""Images of people as dots, one colour per joint, which the networks of `onnx_models` find."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors.rtmpose import PADDING
from cfld.poses.orders import COCO_JOINTS
from cfld.poses.skeleton import JOINTS
from support.onnx_models import colours

SIZE = (128, 96)
"""(height, width) of the small pose networks' input."""
LARGE, SMALL = (40.0, 20.0, 300.0, 190.0), (60.0, 220.0, 240.0, 330.0)
"""Boxes of `two_people`."""


def grey(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def joints_in(box: tuple[float, float, float, float], seed: int = 0) -> NDArray[np.float64]:
    """(17, 2), far enough from each other for dots."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation([(i, j) for i in range(6) for j in range(4)])[:17]
    top, left, bottom, right = box
    return np.array([top, left]) + (cells + 0.5) / (6, 4) * (bottom - top, right - left)


def draw_dots(image: NDArray[np.uint8], yx: NDArray[np.float64], radius: int, but: tuple[str, ...] = ()) -> None:
    for name, (y, x), colour in zip(COCO_JOINTS, yx, colours(17).tolist(), strict=True):
        if name not in but:
            cv2.circle(image, (round(float(x)), round(float(y))), radius, colour, -1)


def two_people() -> NDArray[np.uint8]:
    image = grey(320, 352)
    for box in (LARGE, SMALL):
        draw_dots(image, joints_in(box, seed=round(box[0])), round(4.5 * (box[2] - box[0]) * PADDING / SIZE[0]))
    return image


def as_openpose(yx: NDArray[np.float64]) -> NDArray[np.float64]:
    where = {name: yx[i] for i, name in enumerate(COCO_JOINTS)}
    where["neck"] = (where["left_shoulder"] + where["right_shoulder"]) / 2
    return np.array([where[name] for name in JOINTS])
