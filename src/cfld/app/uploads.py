"""Images out of files that strangers send, decoded safely."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image, UnidentifiedImageError

from cfld.app.limits import Limits
from cfld.data.transforms import UNREADABLE, read_image

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Decoders that strangers' files are given to; some of Pillow's others call programs from outside."""
UPRIGHT: Final = 1


@dataclass(frozen=True, eq=False)
class Upload:
    """An image that somebody sent.

    Attributes:
        image: upright RGB.
        notes: what was done to it that they may not expect, one sentence each.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()


def read_upload(path: Path, limits: Limits) -> Upload:
    """Reads an image file as `read_image` does, which the commands do too; its size is looked at before its pixels.

    Of an animation it takes the first image, what is transparent becomes white, and what EXIF says lies on its side
    is turned upright; each is told in a note.

    Raises:
        ValueError: one sentence that begins with the file's name and tells no folder.
    """
    notes = look_at(path, limits)
    try:
        return Upload(read_image(path), notes)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None


def look_at(path: Path, limits: Limits) -> tuple[str, ...]:
    """The notes of `read_upload`, and its errors as far as they are seen by then."""
    with _opened(path, limits) as image, _decoding(path):
        turned = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT  # a PNG is decoded for it
        told = {
            "It is an animation; its first image was taken.": getattr(image, "is_animated", False),
            "What is transparent in it became white.": image.has_transparency_data,
            "It was turned upright, as its EXIF data say.": turned,
        }
    return tuple(note for note, holds in told.items() if holds)


def read_layer(path: Path, limits: Limits) -> Image.Image:
    """Reads a layer of a painted mask: RGBA. Limits and errors as in `read_upload`."""
    with _opened(path, limits) as layer, _decoding(path):
        return layer.convert("RGBA")


def check_size(path: Path, limits: Limits) -> None:
    """Raises ValueError for a file without a byte or with too many."""
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path.name}: is empty (0 bytes)")
    if size > limits.bytes:
        raise ValueError(
            f"{path.name}: has {size / 2**20:.1f} MB, and at most {limits.megabytes:g} are taken; make it smaller"
        )


def _opened(path: Path, limits: Limits) -> Image.Image:
    """The file as Pillow opens it: its header is read, its pixels are not."""
    check_size(path, limits)
    too_many = f"{path.name}: has too many pixels, at most {limits.megapixels:g} million are taken; make it smaller"
    try:
        with _decoding(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
            image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(too_many) from None
    if image.width * image.height > limits.megapixels * 1e6:
        image.close()
        raise ValueError(f"{too_many} (it is {image.width} x {image.height})")
    return image


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Tells what Pillow raises on broken files as one sentence."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{path.name}: is no image of a known kind ({', '.join(FORMATS)})") from None
    except UNREADABLE as error:
        raise ValueError(f"{path.name}: is damaged or not readable ({error})") from None
