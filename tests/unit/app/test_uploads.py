"""Uploads: accepted formats, notes, limits that are checked before decoding, and masks from layers."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.app.limits import LimitReachedError, Limits
from cfld.app.uploads import MAX_KEYPOINT_FILE, PixelBudget, Upload, UploadReader, painted_mask
from cfld.data.transforms import read_image

LIMITS = Limits(megabytes=0.05, megapixels=0.02)
GOOD = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def read_upload(path: Path, limits: Limits = LIMITS) -> Upload:
    with UploadReader(limits).open(path) as upload:
        return upload


def saved(path: Path, image: Image.Image = GOOD, **options: object) -> Path:
    image.save(path, **options)
    return path


def empty_png(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels, of which there are none."""
    header, data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT"
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_images_come_out_as_the_commands_read_them(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"a.{ending}")
    upload = read_upload(path, LIMITS)
    assert (np.asarray(upload.image) == np.asarray(read_image(path))).all()
    assert upload.image.mode == "RGB"
    assert upload.notes == ()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.png", b"I am no image", "not an image in a supported format"),
        ("empty.png", b"", "empty"),
        ("large.png", b"x" * 60_000, "the limit is 0.05 MB"),
        ("many.png", empty_png(200, 200), "200 x 200"),
        ("bomb.png", empty_png(30_000, 30_000), "too many pixels"),
        ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a supported format"),
        ("vectors.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image in a supported format"),
    ],
)
def test_bad_files_get_one_sentence_that_names_no_folder(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_upload(tmp_path / name, LIMITS)
    assert str(caught.value).startswith(f"{name}: ")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_truncated_images_are_refused(tmp_path: Path, kind: str) -> None:
    written = io.BytesIO()
    GOOD.save(written, kind)
    (tmp_path / "half.png").write_bytes(written.getvalue()[: written.tell() // 2])
    with pytest.raises(ValueError, match=r"^half\.png: is damaged"):
        read_upload(tmp_path / "half.png", LIMITS)


def test_what_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "flat.png", Image.new("L", (8000, 8000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match="8000 x 8000"):
        read_upload(path, Limits(megapixels=30))
    assert tracemalloc.get_traced_memory()[1] < 8_000_000
    tracemalloc.stop()


def test_an_animation_gives_its_first_image_and_reports_it(tmp_path: Path) -> None:
    other = Image.new("RGB", GOOD.size, "red")
    upload = read_upload(saved(tmp_path / "a.gif", other, save_all=True, append_images=[GOOD]), LIMITS)
    assert upload.image.getpixel((0, 0)) == (255, 0, 0)
    assert any("animation" in note for note in upload.notes)


def test_transparency_becomes_white_and_reported(tmp_path: Path) -> None:
    upload = read_upload(saved(tmp_path / "a.png", Image.new("RGBA", (9, 9), (10, 20, 30, 0))), LIMITS)
    assert upload.image.getpixel((4, 4)) == (255, 255, 255)
    assert any("Transparent" in note for note in upload.notes)


def test_exif_orientation_is_applied_and_reported(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upload = read_upload(saved(tmp_path / "a.jpg", exif=exif), LIMITS)
    assert upload.image.size == (40, 30)
    assert any("upright" in note for note in upload.notes)


def test_layers_keep_their_transparency(tmp_path: Path) -> None:
    (layer,) = UploadReader(LIMITS).layers([saved(tmp_path / "a.png", Image.new("RGBA", (9, 9), (1, 2, 3, 4)))])
    assert layer.getpixel((0, 0)) == (1, 2, 3, 4)
    (tmp_path / "b.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not an image"):
        next(UploadReader(LIMITS).layers([tmp_path / "b.png"]))


def layers() -> Iterator[Image.Image]:
    brushed = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    brushed.paste((200, 0, 0, 255), (0, 0, 2, 4))
    yield brushed
    stored = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    stored.paste((255, 255, 255, 255), (0, 0, 2, 4))
    yield stored


@pytest.mark.parametrize("layer", layers(), ids=["brushed", "stored"])
def test_masks_are_white_where_something_is_painted(layer: Image.Image) -> None:
    mask = np.asarray(painted_mask([layer], (40, 80)))
    assert mask.shape == (80, 40)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, :18] == 255).all()
    assert (mask[:, 22:] == 0).all()


def test_an_empty_mask_is_rejected() -> None:
    for empty in ([], [Image.new("RGBA", (4, 4))]):
        with pytest.raises(ValueError, match="the mask is empty"):
            painted_mask(empty, (4, 4))


def test_large_images_are_reduced_and_reported(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (120, 90), "red"))
    upload = read_upload(path, Limits(side=40))
    assert (upload.image.size, upload.reduced) == ((40, 30), True)
    assert upload.notes == ("The image was reduced to 40 x 30 pixels.",)
    assert read_upload(path, Limits(side=120)).image.size == (120, 90)


def test_one_layer_at_a_time_is_in_memory(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGBA", (100, 100), "white"))
    reader = UploadReader(Limits(megapixels=0.01))  # there is no room for a second one
    mask = painted_mask(reader.layers([path] * 20), (10, 10))
    assert mask.getextrema() == (255, 255)


def test_keypoint_files_are_small(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b" " * (MAX_KEYPOINT_FILE + 1))
    with pytest.raises(ValueError, match=r"^a\.json: the limit for keypoint files is 256 kB"):
        UploadReader(LIMITS).check_keypoint_file(tmp_path / "a.json")


def test_images_wait_for_each_other() -> None:
    budget, most, held, lock = PixelBudget(10), 0, 0, threading.Lock()

    def use(pixels: int) -> None:
        nonlocal most, held
        with budget.take(pixels):
            with lock:
                held += min(pixels, 10)
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= min(pixels, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, [1, 3, 10, 4, 25, 2, 7, 9] * 5))
    assert (most, held) == (10, 0)


THREADS = """
import re, sys
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from cfld.app.limits import Limits
from cfld.app.uploads import UploadReader

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def decode(_):
    with reader.open(Path(sys.argv[1])):
        return peak()

reader, before = UploadReader(Limits(megapixels=8)), peak()
one = decode(0) - before
barrier = Barrier(8)
with ThreadPoolExecutor(8, initializer=barrier.wait) as pool:
    print(one, max(pool.map(decode, range(24))) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_many_threads_together_take_the_memory_of_one_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "large.png", Image.new("RGBA", (2800, 2800)))
    printed = subprocess.run([sys.executable, "-c", THREADS, path], capture_output=True, text=True, check=True).stdout
    one, many = map(float, printed.split())
    assert one > 80
    assert many < 1.7 * one


def test_nobody_waits_for_ever() -> None:
    budget = PixelBudget(10, patience=0.05)
    with budget.take(6):
        for pixels in (5, 10):
            with pytest.raises(LimitReachedError, match="busy"), budget.take(pixels):
                pass
        with budget.take(4):
            pass
    with budget.take(10):
        pass
