"""Person detection by YOLOX (Ge et al., 2021) as an ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors.onnx_session import OnnxModel
from cfld.poses.detectors.window import Box

STRIDES: Final = (8, 16, 32)
GREY: Final = 114
"""Value that YOLOX pads images with."""
PERSON: Final = 0
"""Index of COCO's class "person"."""
MIN_SCORE: Final = 0.3
NMS_THRESHOLD: Final = 0.45
"""Intersection over union above which two boxes count as one person."""


class Yolox:
    """Detects people. Model output: (1, N, 5 + classes), as YOLOX exports it, or boxes (1, N, 5), as MMDeploy does."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ValueError: if the file is not an ONNX model of an image.
        """
        self._model = OnnxModel(path, (640, 640))

    def __call__(self, image: NDArray[np.uint8]) -> list[Box]:
        """Boxes of the people in an image, uint8 (H, W, 3), RGB, by decreasing score.

        Raises:
            ValueError: if the model's output has neither of the two shapes.
        """
        height, width = self._model.size
        ratio = min(height / image.shape[0], width / image.shape[1])
        output = self._model(letterbox(image, self._model.size, ratio))[0]
        grid = sum((height // stride) * (width // stride) for stride in STRIDES)
        if output.ndim == 3 and output.shape[2] == 5:
            boxes, scores = output[0, :, :4].astype(np.float64), output[0, :, 4].astype(np.float64)
        elif output.ndim == 3 and output.shape[1] == grid and output.shape[2] > 5:
            boxes, scores = decode(output[0], self._model.size)
        else:
            raise ValueError(
                f"{self._model.path}: output of shape {output.shape}; a YOLOX model has (1, N, 5), or "
                f"(1, {grid}, 5 + classes) for an input of {height} x {width}"
            )
        kept = suppress(boxes, scores)
        edges = np.array(image.shape[:2] * 2)
        return [tuple((boxes[i][[1, 0, 3, 2]] / ratio).clip(0, edges).tolist()) for i in kept]


def letterbox(image: NDArray[np.uint8], size: tuple[int, int], ratio: float) -> NDArray[np.float32]:
    """The image, scaled by `ratio`, at the top left of a grey canvas (*size, 3); BGR, values 0 to 255."""
    resized = cv2.resize(image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)))
    padded = np.full((*size, 3), GREY, dtype=np.float32)
    padded[: resized.shape[0], : resized.shape[1]] = resized[..., ::-1]
    return padded


def decode(output: NDArray[np.float32], size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decodes YOLOX's raw output (N, 5 + classes): boxes (N, 4), (left, top, right, bottom) in pixels, and scores (N,).

    Each row belongs to a cell of a stride's grid: centre = (offset + cell) stride, size = exp(value) stride, score =
    objectness times class probability (Ge et al., 2021, and the demo code of its release).
    """
    cells, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: size[0] // stride, : size[1] // stride]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((len(cells[-1]), 1), stride))
    cell, stride_of = np.concatenate(cells), np.concatenate(strides)
    raw = output.astype(np.float64)
    centre, half = (raw[:, :2] + cell) * stride_of, np.exp(raw[:, 2:4]) * stride_of / 2
    return np.hstack([centre - half, centre + half]), raw[:, 4] * raw[:, 5 + PERSON]


def suppress(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> list[int]:
    """Non-maximum suppression: indices of the boxes (N, 4), (left, top, right, bottom), to keep, by falling score."""
    corners_and_sizes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    return [int(i) for i in cv2.dnn.NMSBoxes(corners_and_sizes.tolist(), scores.tolist(), MIN_SCORE, NMS_THRESHOLD)]
