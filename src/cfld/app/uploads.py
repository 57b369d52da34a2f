"""Safe decoding of uploaded image files and painted masks."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

from cfld.app.limits import LimitReachedError, Limits
from cfld.data.transforms import read_image
from cfld.readers.images import UPRIGHT, decoding_errors, open_image, orientation

MAX_KEYPOINT_FILE: Final = 2**18
"""Bytes; parsing JSON takes about twenty times its size in memory."""
BUSY: Final = "the server is busy with other images: try again in a moment"
THRESHOLD: Final = 128
"""Brightness or opacity from which a pixel of a mask counts as painted."""


class Upload(NamedTuple):
    """An uploaded image, upright RGB, and the changes that its owner may not expect, one sentence each.

    Attributes:
        reduced: whether it is smaller than the file's image.
    """

    image: Image.Image
    notes: tuple[str, ...]
    reduced: bool = False


class PixelBudget:
    """Bounds the memory of all images that are decoded at the same time; whoever comes first is served first."""

    def __init__(self, pixels: int, patience: float = 30.0) -> None:
        """
        Args:
            pixels: of all images together.
            patience: seconds to wait for others.
        """
        self._pixels, self._free, self._patience = pixels, pixels, patience
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Waits for its turn; inside, an image of so many pixels can be decoded and used.

        Raises:
            LimitReachedError: after `patience`.
        """
        wanted, deadline = min(pixels, self._pixels), time.monotonic() + self._patience
        if not self._turn.acquire(timeout=self._patience):
            raise LimitReachedError(BUSY)
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._free >= wanted, deadline - time.monotonic()):
                    raise LimitReachedError(BUSY)
                self._free -= wanted
        finally:
            self._turn.release()
        try:
            yield
        finally:
            _return_memory()
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


class UploadReader:
    """Reads visitors' files. Whatever they contain, the memory of all of them together is bounded beforehand."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self._budget = limits, PixelBudget(limits.pixels)

    @contextmanager
    def open(self, path: Path) -> Iterator[Upload]:
        """Decodes an image file as `read_image` does; the image may be used inside the block only.

        Of an animation the first image is used, transparency is replaced by white, the EXIF orientation is applied, and
        a large image is reduced; a note reports each of these.

        Raises:
            ValueError: one sentence that begins with the file's name and reveals no folder.
        """
        with self._reserved(path):
            notes = upload_notes(path, self.limits)
            with _without_folder(path):
                image = read_image(path)
            if not (reduced := max(image.size) > self.limits.side):
                yield Upload(image, notes)
                return
            image.thumbnail((self.limits.side, self.limits.side), Image.Resampling.LANCZOS)
            yield Upload(image, (*notes, f"The image was reduced to {image.width} x {image.height} pixels."), reduced)

    def layers(self, paths: Iterable[Path]) -> Iterator[Image.Image]:
        """Yields the layers of a painted mask as RGBA, one at a time. Limits and errors as in `open`."""
        for path in paths:
            with self._reserved(path), _opened(path, self.limits) as layer:
                yield layer.convert("RGBA")

    def check_keypoint_file(self, path: Path) -> None:
        """Raises ValueError if a file is too large for the keypoints of a few people."""
        if path.stat().st_size > MAX_KEYPOINT_FILE:
            raise ValueError(f"{path.name}: the limit for keypoint files is {MAX_KEYPOINT_FILE // 1024} kB")

    @contextmanager
    def _reserved(self, path: Path) -> Iterator[None]:
        with _opened(path, self.limits) as image:
            pixels = image.width * image.height
        with self._budget.take(pixels):
            yield


def upload_notes(path: Path, limits: Limits) -> tuple[str, ...]:
    """The notes of `UploadReader.open` on what the file contains."""
    with _opened(path, limits) as image:
        rotated = orientation(image) != UPRIGHT  # decodes a PNG
        notes = {
            "The file is an animation; its first image is used.": getattr(image, "is_animated", False),
            "Transparent areas were replaced by white.": _is_transparent(image),
            "The image was rotated upright, following its EXIF data.": rotated,
        }
    return tuple(note for note, applies in notes.items() if applies)


def _is_transparent(image: Image.Image) -> bool:
    """Whether parts are transparent, not only the mode allows it, as in photographs of a webcam."""
    opaque = image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema()[0] == 255
    return image.has_transparency_data and not opaque


def painted_mask(layers: Iterable[Image.Image], size: tuple[int, int]) -> Image.Image:
    """Merges layers into a black and white mask (mode L), white where any of them is painted.

    Args:
        layers: RGBA of any size, resized to `size`. The painted part of a layer is what is not transparent, in any
            colour; of a fully opaque layer, as mask files are, the bright part.
        size: (width, height) of the image that the mask belongs to.

    Raises:
        ValueError: if nothing is painted.
    """
    mask = Image.new("L", size)
    for layer in layers:
        alpha = layer.getchannel("A")
        painted = layer.convert("L") if alpha.getextrema() == (255, 255) else alpha
        resized = painted.resize(size, Image.Resampling.BILINEAR)
        mask.paste(255, mask=resized.point(lambda value: 255 * (value >= THRESHOLD)))
    if mask.getbbox() is None:
        raise ValueError("the mask is empty: paint over the part of the reference that is to be generated anew")
    return mask


def _return_memory() -> None:
    """Returns freed memory to the system: glibc would keep it for the thread that freed it, up to an image in each."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Image.Image]:
    """An image file of which the header is read, but not the pixels."""
    with (
        _without_folder(path),
        open_image(path, limits.bytes, limits.pixels) as image,
        decoding_errors(path),
    ):
        yield image


@contextmanager
def _without_folder(path: Path) -> Iterator[None]:
    """Shortens the path in the reader's errors to the file's name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None
