"""Joints by RTMPose or DWPose (Jiang et al., 2023; Yang et al., 2023) as ONNX: crop, SimCC decoding, joint order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors import files
from cfld.poses.detectors.onnx_session import open_onnx
from cfld.poses.detectors.window import Box, Window
from cfld.poses.detectors.yolox import Yolox
from cfld.poses.formats import COCO_JOINTS, WHOLE_BODY, from_coco
from cfld.poses.keypoints import Keypoints, Person

PADDING: Final = 1.25
"""How much larger than the person's box the window is (MMPose, `GetBBoxCenterScale`)."""
MEAN: Final = (123.675, 116.28, 103.53)
DEVIATION: Final = (58.395, 57.12, 57.375)
"""Of the training images, by colour, RGB (MMPose, `PoseDataPreprocessor`)."""
SPLIT: Final = 2.0
"""Bins a pixel (SimCC, Li et al., 2022; `simcc_split_ratio`)."""


class RTMPose:
    """A pose detector for photographs. Its files give simcc_x (1, J, 2 W) and simcc_y (1, J, 2 H), J = 17 or 133."""

    def __init__(
        self, path: Path, confidence: float, find_boxes: Callable[[NDArray[np.uint8]], list[Box]] | None = None
    ) -> None:
        """
        Args:
            confidence: joints with a lower score are missing.
            find_boxes: of people; without it, the whole image is one person's box.

        Raises:
            ValueError: naming the file, when it is no ONNX model of an image, or has other outputs.
        """
        self._model, self._confidence, self._find_boxes = open_onnx(path, (256, 192)), confidence, find_boxes
        if len(self._model.outputs) != 2:
            raise ValueError(
                f"{path}: gives {', '.join(self._model.outputs)}; expected simcc_x and simcc_y of RTMPose or DWPose"
            )

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """As `estimate.Detector`."""
        whole = (0.0, 0.0, float(image.shape[0]), float(image.shape[1]))
        boxes = [whole] if self._find_boxes is None else self._find_boxes(image)
        people = [self._person(image, box) for box in boxes]
        return [person for person in people if person.keypoints.visible.any()]

    def _person(self, image: NDArray[np.uint8], box: Box) -> Person:
        window, size = Window.around(box, self._model.size, PADDING), self._model.size
        inputs = window.cut(image, size, cv2.BORDER_CONSTANT)
        simcc_x, simcc_y = self._model((inputs - np.array(MEAN)) / np.array(DEVIATION))
        self._check(simcc_x.shape, simcc_y.shape)
        yx, scores = decode_simcc(simcc_x[0], simcc_y[0])
        found, sure = from_coco(window.to_pil(yx, size), scores, self._confidence)
        return Person(keypoints=Keypoints(found, image.shape[:2]), scores=sure, box=box)

    def _check(self, shape_x: tuple[int, ...], shape_y: tuple[int, ...]) -> None:
        height, width = self._model.size
        wanted = [((1, j, int(width * SPLIT)), (1, j, int(height * SPLIT))) for j in (len(COCO_JOINTS), WHOLE_BODY)]
        if (shape_x, shape_y) not in wanted:
            raise ValueError(
                f"{self._model.path}: outputs of {shape_x} and {shape_y}; "
                f"RTMPose and DWPose give {wanted[0]} or {wanted[1]}"
            )


def decode_simcc(
    simcc_x: NDArray[np.float32], simcc_y: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The highest bin of each axis, and the lower of the two heights as the score (MMPose, `get_simcc_maximum`).

    Args:
        simcc_x: (J, 2 W); simcc_y: (J, 2 H).

    Returns:
        (J, 2), (y, x) in pixels of the network's input, and (J,).
    """
    yx = np.stack([simcc_y.argmax(axis=1), simcc_x.argmax(axis=1)], axis=1) / SPLIT
    return yx, np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1))


def open_rtmpose(model: Path | None, boxes: Path | None, confidence: float) -> RTMPose:
    """The published pose model and person detector, or the files given. A pose model alone takes the whole image."""
    path = files.obtain(files.DWPOSE, model)
    find_boxes = Yolox(files.obtain(files.YOLOX, boxes)) if boxes is not None or model is None else None
    return RTMPose(path, confidence, find_boxes)
