"""Safe decoding of uploaded image files and painted masks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError

from cfld.app.limits import Limits
from cfld.data.transforms import UNREADABLE, read_image

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that are decoded; some of Pillow's other decoders run external programs."""
UPRIGHT: Final = 1
THRESHOLD: Final = 128
"""Brightness or opacity from which a pixel of a mask counts as painted."""


class Upload(NamedTuple):
    """An uploaded image, upright RGB, and the changes that its owner may not expect, one sentence each."""

    image: Image.Image
    notes: tuple[str, ...]


def read_upload(path: Path, limits: Limits) -> Upload:
    """Reads an image file as `read_image` does; its size is checked before its pixels are decoded.

    Of an animation the first image is used, transparency is replaced by white, and the EXIF orientation is applied;
    a note reports each of these.

    Raises:
        ValueError: one sentence that begins with the file's name and reveals no folder.
    """
    notes = upload_notes(path, limits)
    try:
        return Upload(read_image(path), notes)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None


def upload_notes(path: Path, limits: Limits) -> tuple[str, ...]:
    """The notes of `read_upload`, from the file's header; raises its errors as far as the header shows them."""
    with _open(path, limits) as image, _decoding_errors(path):
        rotated = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) != UPRIGHT  # decodes a PNG
        notes = {
            "The file is an animation; its first image is used.": getattr(image, "is_animated", False),
            "Transparent areas were replaced by white.": image.has_transparency_data,
            "The image was rotated upright, following its EXIF data.": rotated,
        }
    return tuple(note for note, applies in notes.items() if applies)


def read_layer(path: Path, limits: Limits) -> Image.Image:
    """Reads a layer of a painted mask as RGBA. Limits and errors as in `read_upload`."""
    with _open(path, limits) as layer, _decoding_errors(path):
        return layer.convert("RGBA")


def painted_mask(layers: Sequence[Image.Image], size: tuple[int, int]) -> Image.Image:
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


def _open(path: Path, limits: Limits) -> Image.Image:
    """Opens an image file: reads its header, but not its pixels."""
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path.name}: the file is empty (0 bytes)")
    if size > limits.bytes:
        raise ValueError(f"{path.name}: has {size / 2**20:.1f} MB; the limit is {limits.megabytes:g} MB")
    too_many = f"{path.name}: has too many pixels; the limit is {limits.megapixels:g} megapixels"
    try:
        with _decoding_errors(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
            image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise ValueError(too_many) from None
    if image.width * image.height > limits.megapixels * 1e6:
        image.close()
        raise ValueError(f"{too_many}, and the image is {image.width} x {image.height}")
    return image


@contextmanager
def _decoding_errors(path: Path) -> Iterator[None]:
    """Turns Pillow's errors on broken files into a ValueError of one sentence."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{path.name}: not an image in a supported format ({', '.join(FORMATS)})") from None
    except UNREADABLE as error:
        raise ValueError(f"{path.name}: is damaged or not readable ({error})") from None
