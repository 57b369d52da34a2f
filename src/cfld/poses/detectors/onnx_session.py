"""ONNX models, run by onnxruntime (extra `pose`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cfld.ranges import Side, check_number
from cfld.readers.text import check_file


class OnnxModel:
    """A network whose input is one image (1, 3, H, W).

    Attributes:
        size: (height, width) of the input.
        outputs: names of the outputs.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """
        Args:
            size: (height, width) of the input, if the file does not fix it.

        Raises:
            ValueError: if the file is not such a network, or onnxruntime is not installed.
        """
        try:
            import onnxruntime
        except ImportError:
            raise ValueError("ONNX models need onnxruntime: pip install 'cfld[pose]'") from None
        check_file(path)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each of a dozen causes
            raise ValueError(f"{path}: not an ONNX model ({' '.join(str(error).split())[:160]})") from None
        shape = self._session.get_inputs()[0].shape
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise ValueError(f"{path}: expected an input of shape (1, 3, height, width), got {shape}")
        height, width = (side if isinstance(side, int) else given for side, given in zip(shape[2:], size, strict=True))
        for side in (height, width):
            check_number(Side, f"{path}: a side of the input", side)
        self.path, self.size = path, (height, width)
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def __call__(self, image: NDArray[np.floating[Any]]) -> list[NDArray[np.float32]]:
        """Runs the network on an image (H, W, 3); returns its outputs for a batch of one."""
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        try:
            results: list[NDArray[np.float32]] = self._session.run(None, {self._session.get_inputs()[0].name: batch})
        except Exception as error:
            raise ValueError(f"{self.path}: cannot run ({' '.join(str(error).split())[:160]})") from error
        return results
