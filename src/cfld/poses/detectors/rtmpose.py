"""RTMPose (Jiang et al., 2023) and DWPose (Yang et al., 2023) as ONNX models: crop, SimCC decoding, joint order."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors import files
from cfld.poses.detectors.onnx_session import OnnxModel
from cfld.poses.detectors.window import Box, Window
from cfld.poses.detectors.yolox import Yolox
from cfld.poses.keypoints import Keypoints
from cfld.poses.orders import COCO, WHOLE_BODY, from_order
from cfld.poses.people import Person

PADDING: Final = 1.25
"""Size of the window relative to the person's box (MMPose, `GetBBoxCenterScale`)."""
MEAN: Final = (123.675, 116.28, 103.53)
STD: Final = (58.395, 57.12, 57.375)
"""Of the training images' channels, RGB (MMPose, `PoseDataPreprocessor`)."""
BINS_PER_PIXEL: Final = 2.0
"""Of SimCC (Li et al., 2022; MMPose, `simcc_split_ratio`)."""


class RTMPose:
    """Detects people in photographs. Model outputs: simcc_x (1, J, 2 W) and simcc_y (1, J, 2 H), J = 17 or 133."""

    def __init__(self, model: Path | None, confidence: float, boxes: Path | None = None) -> None:
        """
        Args:
            model: ONNX file; None = the published one.
            confidence: joints with a lower score are missing.
            boxes: ONNX file of the person detector; None = the published one with the published model, otherwise the
                whole image is the box of one person.

        Raises:
            ValueError: if the file is not an ONNX model of an image, or has other outputs.
        """
        path = files.obtain(files.DWPOSE, model)
        find_boxes = Yolox(files.obtain(files.YOLOX, boxes)) if boxes is not None or model is None else None
        self._model, self._confidence, self._find_boxes = OnnxModel(path, (256, 192)), confidence, find_boxes
        if len(self._model.outputs) != 2:
            outputs = ", ".join(self._model.outputs)
            raise ValueError(f"{path}: expected outputs simcc_x and simcc_y of RTMPose or DWPose, got {outputs}")

    def __call__(self, image: NDArray[np.uint8]) -> list[Person]:
        """See `estimate.Detector`."""
        whole = (0.0, 0.0, float(image.shape[0]), float(image.shape[1]))
        boxes = [whole] if self._find_boxes is None else self._find_boxes(image)
        people = [self._person(image, box) for box in boxes]
        return [person for person in people if person.keypoints.visible.any()]

    def _person(self, image: NDArray[np.uint8], box: Box) -> Person:
        window, size = Window.around(box, self._model.size, PADDING), self._model.size
        inputs = window.cut(image, size, cv2.BORDER_CONSTANT)
        simcc_x, simcc_y = self._model((inputs - np.array(MEAN)) / np.array(STD))
        height, width = (int(side * BINS_PER_PIXEL) for side in size)
        expected = [((1, joints, width), (1, joints, height)) for joints in (len(COCO), WHOLE_BODY)]
        if (simcc_x.shape, simcc_y.shape) not in expected:
            raise ValueError(
                f"{self._model.path}: outputs of shapes {simcc_x.shape} and {simcc_y.shape}; "
                f"expected {expected[0]} or {expected[1]}, as of RTMPose and DWPose"
            )
        yx, scores = decode_simcc(simcc_x[0], simcc_y[0])
        joints, scores = from_order(COCO, window.to_image(yx, size), scores, self._confidence)
        return Person(keypoints=Keypoints(joints, image.shape[:2]), scores=scores, box=box)


def decode_simcc(
    simcc_x: NDArray[np.float32], simcc_y: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Decodes SimCC: the bin of each axis' maximum; the score is the lower maximum (MMPose, `get_simcc_maximum`).

    Args:
        simcc_x: (J, 2 W); simcc_y: (J, 2 H).

    Returns:
        (y, x) in pixels of the network's input (J, 2), and scores (J,).
    """
    yx = np.stack([simcc_y.argmax(axis=1), simcc_x.argmax(axis=1)], axis=1) / BINS_PER_PIXEL
    return yx, np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1))
