"""Images of any mode and size, and poses in any form, as tensors."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.inputs import check_sampling, pose_batch, source_batch
from cfld.poses.keypoints import Keypoints
from cfld.poses.render import pose_map

SIZE = (32, 32)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "PA"])
def test_every_mode(person: Image.Image, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(person.convert("L")).astype(np.uint16) * 257)
    elif mode == "LAB":
        image = Image.new("LAB", person.size, (200, 128, 128))
    elif mode == "I":
        image = Image.fromarray(np.asarray(person.convert("L")).astype(np.int32) * 257)
    else:
        image = person.convert("P").convert("PA") if mode == "PA" else person.convert(mode)
    assert image.mode == mode
    batch = source_batch(image, 32)
    assert batch.shape == (1, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert -1 <= batch.min() < batch.max() <= 1 or mode == "LAB"
    if mode in ("I;16", "I"):
        torch.testing.assert_close(batch, source_batch(person.convert("L"), 32))


def test_transparency_becomes_white() -> None:
    torch.testing.assert_close(source_batch(Image.new("RGBA", (10, 10)), 32), torch.ones(1, 3, 32, 32))


def test_exif_orientation_is_respected(person: Image.Image) -> None:
    upright = source_batch(person, 32)
    lying = person.transpose(Image.Transpose.ROTATE_90)
    exif = lying.getexif()
    exif[0x0112] = 6  # display rotated by 90 degrees clockwise
    file = io.BytesIO()
    lying.save(file, "PNG", exif=exif)
    turned = Image.open(file)
    assert turned.size == lying.size
    assert torch.equal(source_batch(turned, 32), upright)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (500, 40), (32, 32)])
def test_every_size(size: tuple[int, int]) -> None:
    torch.testing.assert_close(source_batch(Image.new("RGB", size, "white"), 32), torch.ones(1, 3, 32, 32))


def test_images_of_different_sizes_form_one_batch(person: Image.Image) -> None:
    batch = source_batch([person, person.resize((20, 90)), person.convert("L")], 32)
    assert batch.shape == (3, 3, 32, 32)
    assert torch.equal(batch[:1], source_batch(person, 32))


def test_tensors_are_resized_and_kept_in_range() -> None:
    torch.manual_seed(0)
    one = torch.rand(3, 50, 20) * 2 - 1
    assert torch.equal(source_batch(one, 32), source_batch(one[None], 32))
    assert source_batch(one.repeat(2, 1, 1, 1).half(), 32).dtype == torch.float32
    assert source_batch(one, 32).abs().max() <= 1
    exact = torch.rand(1, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(source_batch(exact, 32), exact)


@pytest.mark.parametrize(
    "images",
    [
        [],
        None,
        "photo.jpg",
        [None],
        5,
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 4, 8, 8),
        torch.zeros(8, 8),
    ],
)
def test_invalid_sources_raise(images: Any) -> None:
    with pytest.raises(ValueError, match="source"):
        source_batch(images, 32)


def test_poses_in_every_form(poses: list[Keypoints]) -> None:
    maps = torch.stack([pose_map(pose, size=SIZE) for pose in poses])
    arrays = np.stack([pose.yx for pose in poses])
    for form in (poses, tuple(poses), maps, list(maps), arrays, list(arrays), torch.from_numpy(arrays)):
        assert torch.equal(pose_batch(form, SIZE), maps)
    for form in (poses[0], maps[0], maps[:1], arrays[0], torch.from_numpy(arrays[0])):
        assert torch.equal(pose_batch(form, SIZE), maps[:1])
    mixed = [poses[0], maps[1], arrays[2], maps[3:]]
    assert torch.equal(pose_batch(mixed, SIZE), maps)


def test_keypoints_are_scaled_from_their_frame(poses: list[Keypoints]) -> None:
    assert torch.equal(pose_batch(poses[0].scaled((512, 352)), SIZE), pose_batch(poses[0], SIZE))


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        ([], "empty"),
        (np.full((18, 2), -1), "all 18 joints are missing"),
        (np.zeros((17, 2)), "18 joints"),
        (torch.zeros(21, 16, 16), r"a pose map must be .*\(21, 32, 32\)"),
        (torch.zeros(20, 32, 32), "a pose map must be"),
        (torch.zeros(1, 1, 21, 32, 32), "a pose map must be"),
        (torch.zeros(21, 32, 32, dtype=torch.uint8), "a pose map must be"),
    ],
)
def test_invalid_poses_raise(pose: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pose_batch(pose, SIZE)


def test_an_empty_pose_map_is_valid() -> None:
    assert not pose_batch(torch.zeros(21, *SIZE), SIZE).any()


@pytest.mark.parametrize("numbers", [(0, 2.0, 2.0), (50, float("nan"), 2.0), (50, 2.0, float("inf"))])
def test_invalid_sampling_parameters_raise(numbers: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_sampling(*numbers)
