"""U2-Net (Qin et al., 2020) as an ONNX model, in the form of rembg's files: u2net_human_seg, u2net, u2netp, silueta."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cfld.poses.detectors.onnx_session import OnnxModel

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
"""Of the training images' channels, RGB, 0 to 1 (ImageNet)."""


class U2Net:
    """One mask of all that stands out. Model output: (1, 1, H, W), first of several."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            ValueError: if the file is not an ONNX model of an image, or onnxruntime is not installed.
        """
        self._model = OnnxModel(path, (320, 320))

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `segmenters.Segmenter`.

        Raises:
            ValueError: if the model's output has another shape.
        """
        size = self._model.size
        inputs = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) / max(image.max(), 1)
        output = self._model((inputs - np.array(MEAN)) / np.array(STD))[0]
        if output.shape != (1, 1, *size):
            raise ValueError(f"{self._model.path}: output of shape {output.shape}; U2-Net's is {(1, 1, *size)}")
        scaled = (output[0, 0] - output.min()) / max(float(np.ptp(output)), 1e-6)
        return np.asarray(cv2.resize(scaled, image.shape[1::-1]))[None]
