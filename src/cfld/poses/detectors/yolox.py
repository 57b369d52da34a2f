"""People's boxes by YOLOX (Ge et al., 2021) as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors.onnx_session import open_onnx
from cfld.poses.detectors.window import Box

STRIDES: Final = (8, 16, 32)
GREY: Final = 114
"""What YOLOX pads images with."""
PERSON: Final = 0
"""COCO's first class."""
SURE: Final = 0.3
"""People that the detector is less sure of do not count."""
OVERLAP: Final = 0.45
"""Intersection over union from which two boxes are one person."""


class Yolox:
    """Files whose output is (1, N, 5 + classes), as YOLOX exports them, or boxes (1, N, 5) as MMDeploy does."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ValueError: naming the file, when it is no ONNX model of an image.
        """
        self._model = open_onnx(path, (640, 640))

    def __call__(self, image: NDArray[np.uint8]) -> list[Box]:
        """The boxes of people in an image uint8 (H, W, 3), RGB, the surest first.

        Raises:
            ValueError: naming the file, when its output is none of the two.
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
                f"{self._model.path}: an output of {output.shape} is no YOLOX model's: expected (1, N, 5), or "
                f"(1, {grid}, 5 + classes) for its input of {height} x {width}"
            )
        kept = suppress(boxes, scores)
        edges = np.array(image.shape[:2] * 2)
        return [tuple((boxes[i][[1, 0, 3, 2]] / ratio).clip(0, edges).tolist()) for i in kept]


def letterbox(image: NDArray[np.uint8], size: tuple[int, int], ratio: float) -> NDArray[np.float32]:
    """The image at the top left of a grey one of (height, width), values 0 to 255, in OpenCV's order of colours."""
    resized = cv2.resize(image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)))
    padded = np.full((*size, 3), GREY, dtype=np.float32)
    padded[: resized.shape[0], : resized.shape[1]] = resized[..., ::-1]
    return padded


def decode(output: NDArray[np.float32], size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """YOLOX's raw output -> (N, 4) boxes (left, top, right, bottom) in pixels of its input, (N,) people's scores.

    A row is of one cell of one stride's grid: centre = (offset + cell) stride, size = exp(value) stride, score =
    objectness times class (Ge et al., 2021, and the demonstrations of its release).
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
    """Which boxes (N, 4), (left, top, right, bottom), are sure enough and no double of a surer one; surest first."""
    corners_and_sizes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    return [int(i) for i in cv2.dnn.NMSBoxes(corners_and_sizes.tolist(), scores.tolist(), SURE, OVERLAP)]
