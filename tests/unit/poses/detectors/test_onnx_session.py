"""ONNX models: what is run, and which files are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from cfld.poses.detectors.onnx_session import OnnxModel
from support.onnx_models import constant


def test_a_network_gives_its_outputs_for_one_image(tmp_path: Path) -> None:
    answer = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    model = OnnxModel(constant(tmp_path / "c.onnx", (16, 8), answer), (1, 1))
    assert (model.size, model.outputs) == ((16, 8), ("output",))
    (output,) = model(np.zeros((16, 8, 3)))
    np.testing.assert_array_equal(output, answer)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(ValueError, match=r"broken.onnx: not an ONNX model") as error:
        OnnxModel(broken, (1, 1))
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for name, words in {"none.onnx": "no such file", "pipe.onnx": "is a pipe", "": "is a folder"}.items():
        with pytest.raises(ValueError, match=words):
            OnnxModel(tmp_path / name, (1, 1))


def test_inputs_have_a_size_that_fits_into_memory(tmp_path: Path) -> None:
    answer = np.zeros((1, 2), np.float32)
    with pytest.raises(ValueError, match="a side of the input must be between 1 and 8,192, got 1000000000"):
        OnnxModel(constant(tmp_path / "c.onnx", (16, 10**9), answer), (1, 1))
