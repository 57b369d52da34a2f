"""Masks of one person among others, plain backgrounds, and which segmenter is opened."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.poses.detectors.files import POSE_LANDMARKER
from cfld.poses.detectors.u2net import U2Net
from cfld.poses.keypoints import MISSING, Keypoints
from cfld.poses.segmenters import PLAIN, installed_segmenter, open_segmenter, person_mask, plain_background
from support.onnx_models import constant

LEFT = (slice(20, 80), slice(10, 40))
RIGHT = (slice(20, 80), slice(60, 90))


def pose_in(place: tuple[slice, slice]) -> Keypoints:
    yx = np.full((18, 2), MISSING)
    yx[:2] = [(place[0].start + 5, place[1].start + 5), (place[0].stop - 5, place[1].stop - 5)]
    return Keypoints(yx, (100, 100))


def mask_of(*places: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros((100, 100), np.float32)
    for place in places:
        mask[place] = 1.0
    return mask


def test_of_one_mask_of_all_people_the_persons_part_is_kept_with_its_soft_edge() -> None:
    mask = mask_of(LEFT, RIGHT)
    mask[20:80, 40] = 0.25
    found = person_mask(mask[None], pose_in(LEFT))
    assert found[:, 60:].max() == 0
    np.testing.assert_array_equal(found[:, :60], mask[:, :60])


def test_of_a_mask_for_each_person_that_with_the_joints_is_taken() -> None:
    found = person_mask(np.stack([mask_of(LEFT), mask_of(RIGHT)]), pose_in(RIGHT))
    np.testing.assert_array_equal(found, mask_of(RIGHT))


@pytest.mark.parametrize("masks", [np.zeros((0, 100, 100), np.float32), mask_of(LEFT)[None]])
def test_nobody_where_the_pose_is(masks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finds nobody where the pose is; leave out --background plain"):
        person_mask(masks, pose_in(RIGHT))


def test_a_large_image_keeps_its_size_and_the_person(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 200, (2000, 2000, 3), np.uint8))
    output = np.kron(mask_of(LEFT), np.ones((8, 8), np.float32))[None, None]
    segmenter = U2Net(constant(tmp_path / "u2net.onnx", (800, 800), output))
    plain = np.asarray(plain_background(noise, pose_in(LEFT).scaled((2000, 2000)), segmenter))
    inside = (slice(420, 1580), slice(220, 780))
    np.testing.assert_array_equal(plain[inside], np.asarray(noise)[inside])
    assert (plain[:, 850:] == PLAIN).all()


def test_another_network_is_refused(tmp_path: Path) -> None:
    segmenter = open_segmenter(constant(tmp_path / "other.onnx", (320, 320), np.zeros((1, 5), np.float32)))
    with pytest.raises(ValueError, match=r"other.onnx: output of shape \(1, 5\); U2-Net's is \(1, 1, 320, 320\)"):
        segmenter(np.zeros((50, 40, 3), np.uint8))
    with pytest.raises(ValueError, match=r"unknown kind of segmenter file '.pth'; choose one of .task, .tflite, .onnx"):
        open_segmenter(tmp_path / "sam.pth")
    for name in ("none.onnx", "none.tflite"):
        with pytest.raises(ValueError, match=f"{name}: no such file"):
            open_segmenter(tmp_path / name)


@pytest.mark.parametrize(
    ("packages", "command"),
    [((), r"pip install 'cfld\[mediapipe\]' && cfld download pose"), (("mediapipe",), "cfld download pose")],
)
def test_where_none_is_installed_the_command_is_named(
    packages: tuple[str, ...], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in packages else None)
    with pytest.raises(ValueError, match=f"^--background plain needs a segmenter; first run: {command}$"):
        open_segmenter()


def test_what_is_installed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", str)
    assert installed_segmenter() is None
    rembg = tmp_path / ".u2net" / "u2net_human_seg.onnx"
    for file in (rembg, POSE_LANDMARKER.path()):
        file.parent.mkdir(parents=True)
        file.touch()
        assert installed_segmenter() == file
