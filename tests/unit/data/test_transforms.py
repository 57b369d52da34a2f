"""Images of every kind come out upright, 8-bit, RGB; broken files give one line that names them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.data.transforms import read_image, resize, to_model_range, to_rgb, to_tensor, to_uint8

RED, WHITE = (255, 0, 0), (255, 255, 255)


def one_line(path: Path, words: str) -> str:
    return rf"^{re.escape(str(path))}: [^\n]*{words}[^\n]*$"


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "white")
    image.paste(RED, (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    upright = read_image(tmp_path / "turned.png")
    assert upright.size == (20, 40)
    assert (upright.getpixel((10, 2)), upright.getpixel((10, 30))) == (RED, WHITE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_laid_on_white(mode: str) -> None:
    assert to_rgb(Image.new(mode, (4, 4), (0,) * len(mode))).getpixel((1, 1)) == WHITE


def test_half_transparent_red_becomes_pink() -> None:
    assert to_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 128))).getpixel((0, 0)) == (255, 127, 127)


def test_palette_with_a_transparent_index(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png", transparency=1)
    rgb = read_image(tmp_path / "palette.png")
    assert (rgb.getpixel((0, 0)), rgb.getpixel((1, 0))) == (RED, WHITE)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(np.array([[0, 32896, 65535]], dtype=np.uint16)).save(tmp_path / f"deep.{suffix}")
    assert np.asarray(read_image(tmp_path / f"deep.{suffix}"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_every_other_mode_becomes_rgb(mode: str) -> None:
    assert to_rgb(Image.new("RGB", (3, 2), WHITE).convert(mode)).getpixel((1, 1)) == WHITE


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "moving.gif") as image:
        image.seek(1)
        assert to_rgb(image).getpixel((0, 0)) == RED


def test_floating_point_images_are_refused() -> None:
    with pytest.raises(ValueError, match="mode F"):
        to_rgb(Image.new("F", (2, 2)))


def test_broken_files_are_named_in_one_line(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(good)
    Image.open(good).save(tmp_path / "good.jpg")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:3000])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:900])
    (tmp_path / "text.png").write_text("no image at all")
    (tmp_path / "zero.png").touch()
    wrong = {"cut.png": "damaged", "cut.jpg": "damaged", "text.png": "not an image", "zero.png": "0 bytes"}
    for name, words in (wrong | {"absent.png": "no such"}).items():
        with pytest.raises(ValueError, match=one_line(tmp_path / name, words)):
            read_image(tmp_path / name)
    with pytest.raises(ValueError, match=one_line(tmp_path, "folder")):
        read_image(tmp_path)


@pytest.mark.parametrize("limit", [60, 20])
def test_giant_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Both Pillow's warning (over the limit) and its error (over twice the limit)."""
    Image.new("RGB", (10, 10)).save(tmp_path / "giant.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=one_line(tmp_path / "giant.png", "too many pixels")):
        read_image(tmp_path / "giant.png")


def test_to_tensor_keeps_rows_and_channels() -> None:
    image = Image.new("RGB", (5, 3))
    image.putpixel((4, 1), (1, 2, 3))
    tensor = to_tensor(image)
    assert (tensor.shape, tensor.dtype, tensor[:, 1, 4].tolist()) == ((3, 3, 5), torch.uint8, [1, 2, 3])


def test_every_grey_level_survives_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    in_range = to_model_range(levels)
    assert (in_range.min(), in_range.max(), in_range.dtype) == (-1, 1, torch.float32)
    assert torch.equal(to_uint8(in_range), levels)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_resize_clamps_overshoot_and_keeps_the_number_of_axes() -> None:
    step = torch.ones(3, 8, 8)
    step[..., :4] = -1
    for images in (step, step.expand(2, 3, 8, 8)):
        resized = resize(images, (16, 12))
        assert resized.shape == (*images.shape[:-2], 16, 12)
        assert (resized.min(), resized.max()) == (-1, 1)
    assert resize((step + 1) / 2, (16, 12), value_range=(0, 1)).min() == 0


def test_resize_averages_when_it_shrinks() -> None:
    checks = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(3, 32, 32)
    assert resize(checks, (8, 8)).abs().max() < 0.05
