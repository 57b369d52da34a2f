"""Images of every kind come out upright, 8-bit, RGB; broken files give one line that names them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from cfld.data.transforms import (
    by_content,
    letterbox,
    read_image,
    resize,
    to_model_range,
    to_rgb,
    to_tensor,
    to_uint8,
)

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


@pytest.mark.parametrize("suffix", ["gif", "tiff", "png", "webp"])
def test_an_animation_gives_its_current_frame_and_stays_as_it_was(tmp_path: Path, suffix: str) -> None:
    colours = [(255, 0, 0), (0, 0, 255), (0, 255, 0)]
    frames = [Image.new("RGB", (4, 4), colour) for colour in colours]
    path = tmp_path / f"moving.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **({"lossless": True} if suffix == "webp" else {}))
    for number, colour in enumerate(colours):
        with Image.open(path) as image:
            image.seek(number)
            before = image.mode, image.size, image.tell(), dict(image.info)
            assert to_rgb(image).getpixel((0, 0)) == colour
            assert (image.mode, image.size, image.tell(), dict(image.info)) == before
    assert read_image(path).getpixel((0, 0)) == colours[0]


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B", "I;16L", "F"])
def test_deep_grey_of_0_to_255_is_kept(mode: str) -> None:
    grey = Image.effect_noise((9, 7), 60)
    deep = grey.convert("I").convert(mode) if mode.startswith("I;") else grey.convert(mode)
    assert deep.mode == mode
    np.testing.assert_array_equal(np.asarray(to_rgb(deep)), np.asarray(grey.convert("RGB")))


def test_floating_point_fractions_become_0_to_255() -> None:
    image = Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32))
    assert np.asarray(to_rgb(image))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("mode", "values"),
    [
        *(("F", values) for values in [(-1, 1), (0, 3), (0, 65535), (0, np.nan), (0, np.inf)]),
        *(("I", values) for values in [(0, 4095), (-1, 9), (0, 1), (0, 1e6)]),
        ("I;16", (0, 1023)),
    ],
)
def test_deep_grey_of_another_range_is_refused(mode: str, values: tuple[float, float]) -> None:
    dtype = {"F": np.float32, "I": np.int32, "I;16": np.uint16}[mode]
    image = Image.fromarray(np.array([values], dtype=dtype))
    assert image.mode == mode
    with pytest.raises(ValueError, match=f"unknown value range .* of an image of mode {mode}"):
        to_rgb(image)


@pytest.mark.parametrize("mode", ["LAB", "La", "RGBa", "RGBX"])
def test_rare_modes_become_rgb(mode: str) -> None:
    red = Image.new("RGB", (3, 2), (200, 40, 90))
    image = {"La": lambda: red.convert("LA").convert("La"), "RGBa": lambda: red.convert("RGBA").convert("RGBa")}
    grey = mode == "La"
    found = np.asarray(to_rgb(image.get(mode, lambda: red.convert(mode))()))
    np.testing.assert_allclose(found, np.asarray(red.convert("L").convert("RGB") if grey else red), atol=2)


UNITS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "uint8": lambda x: x,
    "0 to 255": lambda x: x.float(),
    "[-1, 1]": lambda x: x.float() / 127.5 - 1,
}


@given(arrays(np.uint8, (3, 4, 4)))
@settings(deadline=None)
def test_every_unit_gives_the_image_or_an_error(levels: np.ndarray) -> None:
    image = torch.from_numpy(levels)
    expected = to_model_range(image)
    for unit, convert in UNITS.items():
        try:
            found = by_content(convert(image))
        except ValueError as error:
            assert unit != "uint8"
            assert "with values from" in str(error)  # noqa: PT017
        else:
            torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match=r"with values from .*\[0, 1\]"):
        by_content(image / 255)


def test_a_photograph_in_each_unit_is_understood() -> None:
    image = torch.randint(0, 256, (3, 64, 44), dtype=torch.uint8)
    for convert in UNITS.values():
        torch.testing.assert_close(by_content(convert(image)), to_model_range(image), atol=1e-6, rtol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_tensors_that_are_not_finite_are_refused(value: float) -> None:
    image = torch.rand(3, 4, 4) * 2 - 1
    image[1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        by_content(image)


@pytest.mark.parametrize("bounds", [(-2.1, 2.6), (0, 1.03), (-0.05, 1.02), (0, 2), (0, 65535), (-3, 258)])
def test_tensors_of_another_range_are_refused_with_it(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=f"values from {bounds[0]} to {bounds[1]} "):
        by_content(torch.linspace(*bounds, 48).reshape(3, 4, 4))


@pytest.mark.parametrize("size", [(10, 30), (30, 10), (7, 5), (1, 20_000), (20_000, 1)])
def test_letterbox_takes_the_edge_colour_and_the_whole_image(size: tuple[int, int]) -> None:
    image = torch.full((2, 3, *size), 0.25)
    image[..., size[0] // 2 :, size[1] // 2 :] = 0.75
    image[..., 0, :] = image[..., -1, :] = image[..., :, 0] = image[..., :, -1] = 0.25
    found = letterbox(image, (64, 44), 64)
    assert found.shape == (2, 3, 64, 64)
    corners = found[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    torch.testing.assert_close(corners, torch.full_like(corners, 0.25))


def test_letterbox_of_the_same_aspect_ratio_resizes() -> None:
    image = torch.rand(3, 128, 88) * 2 - 1
    assert torch.equal(letterbox(image, (64, 44), 64), resize(image, (64, 64)))


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
