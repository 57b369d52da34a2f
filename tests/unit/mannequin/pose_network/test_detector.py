"""The network for mannequins: its parts, and what the bundled one can do."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cfld.evaluation.keypoint_accuracy import keypoint_accuracy
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.networks import load_network, save_network
from cfld.mannequin.pose_network.detector import BUNDLED, MannequinDetector
from cfld.mannequin.pose_network.network import CELL, PoseNetwork, locate
from cfld.poses.estimate import open_detector

TINY = {"widths": (4, 4, 4, 4), "top": 4}


def test_a_position_is_the_middle_of_the_bell_to_a_fraction_of_a_cell() -> None:
    y, x = 37.3, 61.8
    rows, columns = torch.arange(32) * CELL + 1.5, torch.arange(24) * CELL + 1.5
    bell = -((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * 4.0**2)
    maps = torch.stack([bell, bell.flip(1)])[None]
    np.testing.assert_allclose(locate(maps).yx[0], [(y, x), (y, 95 - x)], atol=0.15)


def test_a_second_hill_far_away_does_not_pull() -> None:
    maps = torch.full((1, 1, 32, 24), -20.0)
    maps[0, 0, 4, 5], maps[0, 0, 28, 20] = 5.0, 4.8
    np.testing.assert_allclose(locate(maps).yx[0, 0], (4.5 * CELL - 0.5, 5.5 * CELL - 0.5), atol=1e-3)


def test_saved_and_loaded_it_is_the_same_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = PoseNetwork(**TINY).eval()
    save_network(network, tmp_path)
    images = torch.rand(2, 3, 64, 64)
    for a, b in zip(network(images), load_network(PoseNetwork, tmp_path)(images), strict=True):
        torch.testing.assert_close(a, b, atol=0.02, rtol=0.02)
    assert network(images)[0].shape == (2, 18, 16, 16)
    assert network(images)[1].shape == (2, 18)


@pytest.mark.parametrize("damage", ["no folder", "other widths", "no JSON", "cut weights", "unknown field"])
def test_folders_without_a_network_are_refused(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "network"
    save_network(PoseNetwork(**TINY), folder)
    if damage == "no folder":
        shutil.rmtree(folder)
    elif damage == "cut weights":
        (folder / "model.safetensors").write_bytes(b"12345678 cut")
    else:
        text = {"other widths": {**TINY, "top": 8}, "no JSON": None, "unknown field": {"depth": 3}}[damage]
        (folder / "config.json").write_text("{" if text is None else json.dumps(text))
    with pytest.raises(ValueError, match="not of PoseNetwork") as error:
        open_detector("mannequin", folder)
    assert str(folder) in str(error.value)


def test_the_bundled_network_is_small() -> None:
    assert sum(file.stat().st_size for file in BUNDLED.iterdir()) < 3e6


def test_it_finds_the_joints_of_people_it_was_not_trained_on() -> None:
    dataset = MannequinDataset(identities=12, poses=2, seed=77, split="test")
    accuracy = keypoint_accuracy(MannequinDetector(BUNDLED, 0.3), dataset)
    assert accuracy.images == 24
    assert accuracy.found == 1
    assert accuracy.pck_10 > 0.9


@pytest.mark.parametrize("enlarged", [0.5, 3.0])
def test_the_size_of_the_image_does_not_matter(enlarged: float) -> None:
    from PIL import Image

    dataset = MannequinDataset(identities=1, poses=2, seed=3, split="test")
    detector = MannequinDetector(BUNDLED, 0.3)
    image = dataset.image(dataset.names[0]).permute(1, 2, 0).numpy()
    size = (round(176 * enlarged), round(256 * enlarged))
    other = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    (a,), (b,) = detector(image), detector(other)
    both = a.keypoints.visible & b.keypoints.visible
    assert both.sum() > 10
    np.testing.assert_allclose(b.keypoints.scaled(a.keypoints.frame).yx[both], a.keypoints.yx[both], atol=4)


def test_somebody_at_the_side_of_a_wide_image_is_found() -> None:
    dataset = MannequinDataset(identities=1, poses=2, seed=4, split="test")
    image, truth = dataset.image(dataset.names[1]).permute(1, 2, 0).numpy(), dataset.keypoints(dataset.names[1])
    wide = np.concatenate([np.repeat(image[:, :1], 150, axis=1), image], axis=1)
    (person,) = MannequinDetector(BUNDLED, 0.3)(wide)
    both = person.keypoints.visible & truth.visible
    assert both.sum() > 10
    distances = np.linalg.norm(person.keypoints.yx - (0, 150) - truth.yx, axis=1)[both]
    assert np.median(distances) < 5


@pytest.mark.parametrize(("rows", "gone"), [(slice(0, 128), "ankle"), (slice(110, 256), "eye")])
def test_of_half_a_person_the_other_half_is_missing(rows: slice, gone: str) -> None:
    dataset = MannequinDataset(identities=4, poses=2, seed=5, split="test")
    for name in dataset.names:
        half = np.ascontiguousarray(dataset.image(name).permute(1, 2, 0).numpy()[rows])
        (person,) = MannequinDetector(BUNDLED, 0.3)(half)
        assert {f"left_{gone}", f"right_{gone}"} <= set(person.missing)
        assert len(person.missing) < 15


@pytest.mark.parametrize("image", ["grey", "noise", "one pixel", "black", "slope"])
def test_where_nobody_is_nobody_is_found(image: str) -> None:
    pixels = {
        "grey": np.full((256, 176, 3), 200, dtype=np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, (256, 176, 3), dtype=np.uint8),
        "one pixel": np.zeros((1, 1, 3), dtype=np.uint8),
        "black": np.zeros((300, 200, 3), dtype=np.uint8),
        "slope": np.linspace(0, 255, 256 * 176 * 3).reshape(256, 176, 3).astype(np.uint8),
    }
    assert MannequinDetector(BUNDLED, 0.3)(pixels[image]) == []


def test_the_bundled_one_says_whom_it_knows(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        open_detector("mannequin")
    assert "mannequins only" in caplog.text
