"""Image files: formats by content, from a list; size and number of pixels are checked before decoding."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image, UnidentifiedImageError

from cfld.readers.text import check_file

logger = logging.getLogger(__name__)

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""Formats that are decoded; some of Pillow's other decoders run external programs, such as Ghostscript."""
COLOURS: Final = ("LA", "RGB", "RGBA", "YCbCr", "CMYK")
"""Modes in which Pillow 12 decodes a JPEG 2000 with more than 8 bits wrongly: white becomes black."""
MAX_IMAGE_BYTES: Final = 512 * 2**20
UPRIGHT: Final = 1
TRANSPOSED: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes the image upright."""


def is_image_file(path: Path) -> bool:
    """Whether a file has the extension of one of these formats."""
    return Image.registered_extensions().get(path.suffix.lower()) in FORMATS


def read_pixels(path: str | Path, content: bytes | None = None) -> Image.Image:
    """Decodes an image file: upright, in its own mode, with transparency; of an animation, the first frame.

    Args:
        content: of a file inside another one, for which `path` is its name in messages; None = that of the file.

    Raises:
        ValueError: if the file is absent, not a file, empty, not an image, truncated, or larger than `MAX_IMAGE_BYTES`
            or Pillow's limit against decompression bombs; one line that names the file.
    """
    with open_image(path, content=content) as image, decoding_errors(path):
        pixels = upright(image).copy()  # a plain image, whose properties no longer depend on the file
    pixels.info = {key: value for key, value in pixels.info.items() if key == "transparency"}
    return pixels


def is_whole(path: Path) -> bool:
    """Whether an image file decodes and agrees with the checksums of its format, of which PNG alone has some."""
    try:
        with open_image(path) as image, decoding_errors(path):
            image.verify()
        read_pixels(path)
    except ValueError:
        return False
    return True


@contextmanager
def open_image(
    path: str | Path,
    max_bytes: float = MAX_IMAGE_BYTES,
    max_pixels: float | None = None,
    content: bytes | None = None,
) -> Iterator[Image.Image]:
    """Opens an image file: reads its header, but not its pixels.

    Args:
        max_pixels: default: Pillow's limit, `Image.MAX_IMAGE_PIXELS`.
        content: as of `read_pixels`.
    """
    if (check_file(path, max_bytes) if content is None else len(content)) == 0:
        raise ValueError(f"{path}: is empty (0 bytes)")
    limit = max_pixels or Image.MAX_IMAGE_PIXELS
    with decoding_errors(path):
        image = Image.open(path if content is None else io.BytesIO(content), formats=FORMATS)
    with image:
        if limit is not None and image.width * image.height > limit:
            raise ValueError(f"{path}: has too many pixels, {image.width} x {image.height}; the limit is {limit:,.0f}")
        if image.format == "JPEG2000" and image.mode in COLOURS and (bits := _jpeg2000_bits(path, content)) > 8:
            raise ValueError(f"{path}: is a JPEG 2000 in colour with {bits} bits per channel; save it as a PNG")
        yield image


def _jpeg2000_bits(path: str | Path, content: bytes | None) -> int:
    """Bits per sample of a JPEG 2000 (ITU-T T.800, A.5.1: Ssiz of the first component); 0 where they are not found."""
    with Path(path).open("rb") if content is None else io.BytesIO(content) as file:
        _, _, segment = file.read(2**20).partition(b"\xff\x4f\xff\x51")
    return (segment[38] & 0x7F) + 1 if len(segment) > 38 else 0


@contextmanager
def decoding_errors(path: str | Path) -> Iterator[None]:
    """Turns the errors of Pillow's decoders into one line. They can raise anything on a damaged file."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{path}: is not an image in a supported format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path}: has too many pixels (over {Image.MAX_IMAGE_PIXELS:,}); make it smaller") from None
    except Exception as error:
        raise ValueError(f"{path}: is damaged or not readable ({' '.join(str(error).split())})") from error


def upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation. An image whose EXIF data are damaged counts as upright."""
    image.load()  # Pillow rotates some formats itself, such as TIFF
    method = TRANSPOSED.get(orientation(image))
    return image if method is None else image.transpose(method)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, from 1 (upright) to 8."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception as error:  # noqa: BLE001 - Pillow's parser can raise anything
        logger.warning("damaged EXIF data are ignored (%s)", error)
        return UPRIGHT
    return value if isinstance(value, int) else UPRIGHT
