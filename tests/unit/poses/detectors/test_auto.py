"""The choice of a detector by the image, and by the model file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld import mannequin
from cfld.poses.detectors import auto, files
from cfld.poses.estimate import find_person, open_detector
from support.dotted_people import SIZE, draw_dots, grey, joints_in
from support.onnx_models import dot_finder


@pytest.mark.parametrize("seed", range(5))
def test_mannequins_are_detected_as_by_their_own_network(seed: int) -> None:
    person, pose = mannequin.sample_identity(700 + seed), mannequin.sample_body_pose(800 + seed)
    image = mannequin.render(person, pose, (256, 176))
    for part in (image, image[:150]):
        (found,), (expected,) = open_detector()(part), open_detector("mannequin")(part)
        np.testing.assert_array_equal(found.keypoints.yx, expected.keypoints.yx)


def no_mannequin() -> np.ndarray:
    image = grey(320, 240)
    draw_dots(image, joints_in((0.0, 0.0, 320.0, 240.0)), 27)
    return image


@pytest.mark.parametrize(
    ("packages", "command"),
    [
        ((), r"pip install 'cfld\[mediapipe\]' && cfld download pose"),
        (("onnxruntime",), "cfld download rtmpose"),
        (("mediapipe",), "cfld download pose"),
        (("mediapipe", "onnxruntime"), "cfld download pose"),
    ],
)
def test_without_a_detector_for_photographs_the_command_is_named(
    packages: tuple[str, ...], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in packages else None)
    with pytest.raises(ValueError, match=f"^photo.jpg: nobody found, as no mannequin.* first run: {command};"):
        find_person(open_detector(), no_mannequin(), "photo.jpg")


def test_the_backend_whose_files_are_there_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", str)
    assert auto.photograph_backend() is None
    for file in (files.DWPOSE, files.YOLOX):
        file.path().parent.mkdir(parents=True, exist_ok=True)
        file.path().write_bytes(b"")
    assert auto.photograph_backend() == "rtmpose"
    files.POSE_LANDMARKER.path().write_bytes(b"")
    assert auto.photograph_backend() == "mediapipe"


def test_a_model_file_decides(tmp_path: Path) -> None:
    model = dot_finder(tmp_path / "pose.onnx", SIZE)
    (person,) = open_detector(model=model, confidence=0.1)(no_mannequin())
    assert person.keypoints.visible.sum() == 18
    with pytest.raises(ValueError, match=r"pose.pt: neither a folder nor a .task or .onnx file.*mediapipe, rtmpose"):
        open_detector(model=tmp_path / "pose.pt")
    with pytest.raises(ValueError, match="backend mannequin has no separate person detector"):
        open_detector(model=tmp_path, boxes=model)


@pytest.mark.parametrize("image", ["noise", "stripes", "grey"])
def test_other_images_are_no_mannequins(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    stripes = np.tile(np.arange(200, dtype=np.uint8)[:, None, None] * np.uint8(9), (1, 150, 3))
    noise = np.asarray(Image.effect_noise((150, 200), 80).convert("RGB"))
    with pytest.raises(ValueError, match="nobody found"):
        open_detector()({"noise": noise, "stripes": stripes, "grey": grey(200, 150)}[image])
