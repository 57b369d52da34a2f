"""Opening a pose detector by name, and detecting one person with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfld.poses.estimate import find_person, open_detector
from cfld.poses.registry import DETECTORS
from support.dotted_people import SIZE, grey
from support.onnx_models import dot_finder


def test_nobody_is_an_error_that_names_the_image(tmp_path: Path) -> None:
    detector = open_detector("rtmpose", dot_finder(tmp_path / "pose.onnx", SIZE))
    assert detector(grey(200, 100)) == []
    with pytest.raises(ValueError, match=r"photo.jpg: nobody found"):
        find_person(detector, grey(200, 100), "photo.jpg")


@pytest.mark.parametrize("backend", sorted({*DETECTORS} - {"rtmpose", "auto"}))
def test_a_person_detector_needs_a_backend_that_takes_one(backend: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"backend {backend} has no separate person detector; leave out --detector"):
        open_detector(backend, boxes=tmp_path / "boxes.onnx")


@pytest.mark.parametrize("confidence", [-0.1, 1.0, 1.5])
def test_confidence_out_of_range(confidence: float) -> None:
    with pytest.raises(ValueError, match=f"confidence must be at least 0 and below 1, got {confidence}"):
        open_detector("mannequin", confidence=confidence)


def test_unknown_backends_are_named() -> None:
    with pytest.raises(ValueError, match="unknown pose backend 'openpose'; choose one of auto, mannequin, rtmpose"):
        open_detector("openpose")
