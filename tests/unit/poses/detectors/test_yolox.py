"""YOLOX: letterbox, decoding, suppression, and which outputs are accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cfld.poses.detectors.yolox import Yolox, decode, letterbox, suppress
from support.dotted_people import grey
from support.onnx_models import constant


def test_letterbox_is_top_left_on_grey_in_opencvs_order() -> None:
    image = np.zeros((50, 100, 3), dtype=np.uint8)
    image[:] = (10, 20, 30)
    padded = letterbox(image, (64, 64), 0.64)
    assert (padded[:32] == (30, 20, 10)).all()
    assert (padded[32:] == 114).all()


def test_cells_of_every_stride() -> None:
    """The centre of a raw zero is its cell's corner, its size the stride; rows run stride by stride, row by row."""
    boxes, scores = decode(np.zeros((84, 6), dtype=np.float32), (64, 64))
    assert (scores == 0).all()
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    for row, (x, y, stride) in {0: (0, 0, 8), 9: (1, 1, 8), 64: (0, 0, 16), 70: (2, 1, 16), 83: (1, 1, 32)}.items():
        np.testing.assert_allclose(centres[row], (x * stride, y * stride))
        np.testing.assert_allclose(sizes[row], stride)


def test_overlapping_boxes_and_low_scores_are_suppressed() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10], [40, 0, 50, 10]], dtype=float)
    assert suppress(boxes, np.array([0.5, 0.9, 0.4, 0.29])) == [1, 2]


def test_another_networks_output_is_refused(tmp_path: Path) -> None:
    network = constant(tmp_path / "d.onnx", (64, 64), np.zeros((1, 3, 7), "f"))
    with pytest.raises(ValueError, match=r"d.onnx: output of shape \(1, 3, 7\); a YOLOX model.*\(1, 84, 5 \+ classes"):
        Yolox(network)(grey(9, 9))
