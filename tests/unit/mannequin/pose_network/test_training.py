"""Training of the network that finds the joints of mannequins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cfld.cli import main
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.network_config import POSE_NETWORK
from cfld.mannequin.networks import load_network
from cfld.mannequin.pose_network.network import CELL, INPUT_SIZE, PoseNetwork, locate
from cfld.mannequin.pose_network.training import (
    IMAGE_SIZE,
    batches,
    keypoint_loss,
    random_crop,
    read_images,
    train_pose_network,
)

TINY = replace(POSE_NETWORK, identities=2, poses=2, steps=2, batch_size=4)


def test_a_run_leaves_a_network_and_the_same_run_the_same(tmp_path: Path) -> None:
    first = load_network(PoseNetwork, train_pose_network(TINY, tmp_path / "a")).state_dict()
    second = load_network(PoseNetwork, train_pose_network(TINY, tmp_path / "b")).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def dataset() -> MannequinDataset:
    return MannequinDataset(identities=1, poses=2, size=IMAGE_SIZE)


def test_images_are_drawn_once(dataset: MannequinDataset, tmp_path: Path) -> None:
    file = tmp_path / "images.npy"
    first = np.array(read_images(dataset, IMAGE_SIZE, file).pixels)
    written = file.stat().st_mtime_ns
    np.testing.assert_array_equal(read_images(dataset, IMAGE_SIZE, file).pixels, first)
    assert file.stat().st_mtime_ns == written


def test_images_of_other_people_are_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As many of them, under the same name."""
    file = tmp_path / "images.npy"
    for others in ({"identities": 2, "poses": 3}, {"identities": 3, "poses": 2}, {"identities": 3, "poses": 2}):
        dataset = MannequinDataset(**others, size=IMAGE_SIZE)  # type: ignore[arg-type]
        pixels = read_images(dataset, IMAGE_SIZE, file).pixels
        for image, name in zip(pixels, dataset.names, strict=True):
            np.testing.assert_array_equal(image, dataset.image(name).permute(1, 2, 0))
    assert caplog.messages == [f"{file}: rendered again: images changed"]


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_damaged_images_are_drawn_again(dataset: MannequinDataset, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "images.npy"
    first = np.array(read_images(dataset, IMAGE_SIZE, file).pixels)
    file.write_bytes(file.read_bytes()[:kept])
    np.testing.assert_array_equal(read_images(dataset, IMAGE_SIZE, file).pixels, first)


def test_the_joints_go_where_their_pixels_go() -> None:
    """An image with one bright dot a joint; in every window the joint is where its dot is, or outside."""
    rng, seen = np.random.default_rng(0), 0
    for _ in range(40):
        y, x = rng.uniform(20, 140), rng.uniform(20, 90)
        yy, xx = np.mgrid[: IMAGE_SIZE[0], : IMAGE_SIZE[1]]
        dot = 255 * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / 50)
        pixels = np.repeat(dot[..., None], 3, axis=2).astype(np.uint8)
        cut, moved = random_crop(pixels, np.full((18, 2), (y, x), dtype=np.float32), rng)
        smooth = cv2.GaussianBlur(cut.sum(axis=2).astype(np.float32), None, 2.0)
        if np.isfinite(moved[0]).all():
            seen += 1
            np.testing.assert_allclose(moved[0], np.unravel_index(smooth.argmax(), INPUT_SIZE), atol=4)
    assert seen > 15


def test_left_stays_left_in_a_mirror() -> None:
    """The person's left shoulder lies to the right of the right one in an image from the front, flipped or not."""
    rng, joints = np.random.default_rng(1), np.full((18, 2), 50.0, dtype=np.float32)
    joints[2], joints[5] = (50, 40), (50, 70)
    for _ in range(20):
        _, moved = random_crop(np.zeros((*IMAGE_SIZE, 3), dtype=np.uint8), joints, rng)
        assert np.isnan(moved[[2, 5]]).any() or moved[5, 1] > moved[2, 1]


def test_the_loss_is_least_at_the_truth() -> None:
    joints = torch.full((1, 18, 2), float("nan"))
    joints[0, 0] = torch.tensor([40.0, 30.0])
    rows, columns = (torch.arange(side // CELL) * CELL + 1.5 for side in INPUT_SIZE)

    def maps(y: float, x: float) -> torch.Tensor:
        bell = -((rows[:, None] - y) ** 2 + (columns - x) ** 2) / (2 * CELL**2)
        return bell.expand(1, 18, -1, -1)

    presence = torch.full((1, 18), -9.0)
    presence[0, 0] = 9.0
    best = keypoint_loss(maps(40, 30), presence, joints)
    np.testing.assert_allclose(locate(maps(40, 30)).yx[0, 0], (40, 30), atol=0.2)
    assert best < keypoint_loss(maps(48, 30), presence, joints)
    assert best < keypoint_loss(maps(40, 30), -presence, joints)
    nobody = torch.full((1, 18, 2), float("nan"))
    assert torch.isfinite(keypoint_loss(maps(40, 30), presence, nobody))


def test_batches_are_a_function_of_the_seed(tmp_path: Path) -> None:
    dataset = MannequinDataset(identities=1, poses=2, size=IMAGE_SIZE)
    images = read_images(dataset, IMAGE_SIZE, tmp_path / "images.npy")
    (a, _), (b, _) = (next(batches(images, TINY)) for _ in range(2))
    assert torch.equal(a, b)
    assert a.shape == (4, 3, *INPUT_SIZE)


def test_by_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = ["--identities", "2", "--poses", "2", "--steps", "1", "--batch-size", "2"]
    main(["pose-net", "train", "--out", str(tmp_path), *numbers])
    folder = capsys.readouterr().out.strip()
    main(["pose-net", "test", "--model", folder, "--identities", "1", "--poses", "2", "--json"])
    assert json.loads(capsys.readouterr().out)["images"] == 2
    for wrong, message in ((["--steps", "0"], "steps"), (["--identities", "0"], "identities")):
        with pytest.raises(SystemExit) as stopped:
            main(["pose-net", "train", "--out", str(tmp_path / "x"), *wrong])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
