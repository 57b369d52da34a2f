"""Images of any mode and size, and poses in any form, as tensors."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from cfld.data import transforms
from cfld.inputs import check_sampling, fitted_poses, pose_batch, source_batch
from cfld.poses.fit import same_aspect
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
        torch.zeros(1, 4, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(8, 8),
        torch.zeros(3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.complex64),
        Image.new("RGB", (0, 5)),
    ],
)
def test_invalid_sources_raise(images: Any) -> None:
    with pytest.raises(ValueError, match="source"):
        source_batch(images, 32)


def test_wide_and_tall_sources_are_extended_not_stretched(caplog: pytest.LogCaptureFixture) -> None:
    """A disc stays a disc: in the square it is as wide as 44 columns of 64 rows make it."""
    for size in ((200, 60), (60, 200)):
        image = Image.new("RGB", size, "white")
        ImageDraw.Draw(image).ellipse((size[0] // 2 - 25, size[1] // 2 - 25, size[0] // 2 + 25, size[1] // 2 + 25), 0)
        square = source_batch(image, 256, (64, 44))[0, 0] < 0
        height, width = int(square.any(1).sum()), int(square.any(0).sum())
        assert width / height == pytest.approx(64 / 44, rel=0.06)
        assert not square[0].any()
        assert not square[:, 0].any()
    assert "a source image of 60 x 200 (height x width) is extended to the model's aspect ratio, 64:44" in caplog.text


@pytest.mark.parametrize("size", [(44, 64), (176, 256), (750, 1101), (352, 512), (32, 32)])
def test_sources_of_released_sizes_are_unchanged(
    size: tuple[int, int], person: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    image = person.resize(size)
    assert torch.equal(source_batch(image, 32, (64, 44)), source_batch(image, 32))
    assert caplog.text == ""


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_tensors_of_0_to_255_equal_their_image(dtype: torch.dtype, person: Image.Image) -> None:
    tensor = transforms.to_tensor(person).to(dtype)
    assert torch.equal(source_batch(tensor, 32), source_batch(person, 32))


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
        (np.zeros((0, 18, 2)), "18 joints"),
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


def test_a_map_that_shows_nobody_is_refused_unless_asked_for() -> None:
    assert not pose_batch(torch.zeros(21, *SIZE), SIZE, blank=True).any()
    assert not pose_batch(np.full((18, 2), -1), SIZE, blank=True).any()
    with pytest.raises(ValueError, match=r"no joint or limb is drawn.*conditioner.null"):
        pose_batch(torch.zeros(21, *SIZE), SIZE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda yx: yx + 1000, "no joint or limb lies in the frame.*of 256 x 176"),
        (lambda yx: yx - 1000, "no joint or limb lies in the frame"),
        (lambda yx: yx / (256, 176), "fractions of an image"),
        (lambda yx: yx / (256, 176) * 2 - 1, "fractions of an image"),
        (lambda yx: yx * 0, "18 joints lie on one point"),
        (lambda yx: yx * np.inf, "a coordinate of -?inf"),
    ],
)
@pytest.mark.parametrize("form", [lambda yx: yx, Keypoints, torch.from_numpy, lambda yx: [yx]])
def test_poses_of_other_units_raise(change: Any, message: str, form: Any, poses: list[Keypoints]) -> None:
    with pytest.raises(ValueError, match=message):
        pose_batch(form(change(poses[0].yx)), SIZE)


@pytest.mark.parametrize("value", [np.nan, np.inf, 255.0, -1.0])
def test_maps_out_of_range_raise(value: float, poses: list[Keypoints]) -> None:
    maps = pose_map(poses[0], size=SIZE)
    maps[4, 2, 3] = value
    with pytest.raises(ValueError, match=r"a pose map is in \[0, 1\], got values from"):
        pose_batch(maps, SIZE)


def test_a_wide_pose_keeps_its_proportions(poses: list[Keypoints], caplog: pytest.LogCaptureFixture) -> None:
    wide = Keypoints(poses[0].yx * 3 + (200, 900), (1080, 1920))
    (fitted,) = fitted_poses([wide], SIZE, (256, 176))
    assert same_aspect(fitted.frame, (256, 176))
    known = poses[0].visible
    np.testing.assert_allclose(np.ptp(fitted.yx[known], axis=0), np.ptp(wide.yx[known], axis=0), rtol=1e-5)
    assert torch.equal(pose_batch(wide, SIZE, (256, 176)), pose_batch(fitted, SIZE))
    assert "a target pose in a frame of 1080 x 1920 (height x width) is fitted" in caplog.text


@pytest.mark.parametrize("frame", [(256, 176), (512, 352), (1101, 750), (256, 256)])
def test_poses_in_released_frames_are_unchanged(
    frame: tuple[int, int], poses: list[Keypoints], caplog: pytest.LogCaptureFixture
) -> None:
    pose = poses[0].scaled(frame)
    assert torch.equal(pose_batch(pose, (256, 256), (256, 176)), pose_map(pose)[None])
    assert caplog.text == ""


def test_poses_of_one_frame_move_together(poses: list[Keypoints]) -> None:
    """The frames of an animation: a step to the right stays a step to the right."""
    first, second = (Keypoints(poses[0].yx + np.array([0, shift]), (300, 900)) for shift in (0, 100))
    own, moved, other = fitted_poses([first, second, poses[1]], SIZE, (256, 176))
    np.testing.assert_allclose(moved.yx - own.yx, np.where(poses[0].visible[:, None], (0, 100), 0), atol=1e-3)
    assert other is poses[1]


@pytest.mark.parametrize("numbers", [(0, 2.0, 2.0), (50, float("nan"), 2.0), (50, 2.0, float("inf")), (50, None, 2.0)])
def test_invalid_sampling_parameters_raise(numbers: tuple[int, float, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_sampling(*numbers)


def test_scales_may_be_of_numpy_and_torch() -> None:
    check_sampling(50, np.float32(2), torch.tensor(2.0))  # type: ignore[arg-type]
