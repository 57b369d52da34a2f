"""Image files: formats by content, limits before decoding, and one line for everything else."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cfld.readers.images import FORMATS, decoding_errors, is_image_file, open_image, read_pixels, upright
from support.errors import refusal

ORIENTATION = 0x0112
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def encoded(kind: str, image: Image.Image = NOISE, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_are_told_by_content(tmp_path: Path, kind: str) -> None:
    (tmp_path / "image.png").write_bytes(encoded(kind))
    image = read_pixels(tmp_path / "image.png")
    assert (image.size, type(image)) == (NOISE.size, Image.Image)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "ICO", "PCX", "TGA"])
def test_other_formats_are_refused_whatever_their_name(tmp_path: Path, kind: str) -> None:
    """An EPS file would be handed to Ghostscript."""
    (tmp_path / "image.png").write_bytes(encoded(kind))
    with pytest.raises(ValueError, match=r"image\.png: is not an image in a supported format"):
        read_pixels(tmp_path / "image.png")
    assert not is_image_file(tmp_path / f"image.{kind.lower()}")


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint16, 3), (np.uint16, 1), (np.uint8, 1)])
def test_deep_colours_in_jpeg_2000_are_refused(tmp_path: Path, dtype: type[np.integer], channels: int) -> None:
    """Pillow would make white black."""
    file, white = tmp_path / "a.jp2", np.iinfo(dtype).max
    assert cv2.imwrite(str(file), np.full((60, 40, channels), white, dtype))
    if (dtype, channels) == (np.uint16, 3):
        with pytest.raises(ValueError, match=r"a\.jp2: is a JPEG 2000 in colour with 16 bits per channel; save it as"):
            read_pixels(file)
    else:
        assert np.asarray(read_pixels(file)).min() == white


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="is a pipe"):
        read_pixels(tmp_path / "pipe.png")


def test_limits_hold_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(encoded("PNG"))
    for limits, words in (({"max_bytes": 100}, "the limit is"), ({"max_pixels": 1199}, "too many pixels, 30 x 40")):
        with pytest.raises(ValueError, match=words), open_image(tmp_path / "image.png", **limits):
            pass


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_that_of_pillow(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    with Image.open(io.BytesIO(encoded("PNG", exif=exif))) as image:
        assert np.array_equal(np.asarray(upright(image)), np.asarray(ImageOps.exif_transpose(image)))


def test_the_orientation_is_applied_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    (tmp_path / "turned.png").write_bytes(encoded("PNG", exif=exif))
    once = read_pixels(tmp_path / "turned.png")
    assert (once.size, upright(once).size) == ((40, 30), (40, 30))


@given(st.binary(max_size=80))
def test_damaged_exif_data_are_ignored(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "exif.jpg"
    path.write_bytes(encoded("JPEG", exif=b"Exif\0\0" + data))
    assert sorted(read_pixels(path).size) == sorted(NOISE.size)


@given(st.sampled_from(FORMATS), st.data())
def test_damaged_files_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = bytearray(encoded(kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert re.fullmatch(rf"({re.escape(str(path))}: [^\n]+)?", refusal(read_pixels, path))


def test_errors_of_a_decoder_become_one_line() -> None:
    for error in (TypeError("a\nb"), KeyError(3), ZeroDivisionError(), AssertionError(), RecursionError()):
        with (
            pytest.raises(ValueError, match=r"\Ax\.png: is damaged or not readable \([^\n]*\)\Z"),
            decoding_errors("x.png"),
        ):
            raise error


@pytest.mark.parametrize("suffix", ["tiff", "png", "jpg", "webp"])
def test_the_orientation_is_applied_once_in_every_format(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / f"turned.{suffix}", exif=exif)
    assert read_pixels(tmp_path / f"turned.{suffix}").size == (20, 40)
