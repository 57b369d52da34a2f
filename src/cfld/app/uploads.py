"""Safe decoding of uploaded image files and painted masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image

from cfld.app.limits import Limits
from cfld.data.transforms import read_image
from cfld.readers.images import UPRIGHT, decoding_errors, open_image, orientation

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
    with _without_folder(path):
        return Upload(read_image(path), notes)


def upload_notes(path: Path, limits: Limits) -> tuple[str, ...]:
    """The notes of `read_upload`, from the file's header; raises its errors as far as the header shows them."""
    with _opened(path, limits) as image:
        rotated = orientation(image) != UPRIGHT  # decodes a PNG
        notes = {
            "The file is an animation; its first image is used.": getattr(image, "is_animated", False),
            "Transparent areas were replaced by white.": image.has_transparency_data,
            "The image was rotated upright, following its EXIF data.": rotated,
        }
    return tuple(note for note, applies in notes.items() if applies)


def read_layer(path: Path, limits: Limits) -> Image.Image:
    """Reads a layer of a painted mask as RGBA. Limits and errors as in `read_upload`."""
    with _opened(path, limits) as layer:
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


@contextmanager
def _opened(path: Path, limits: Limits) -> Iterator[Image.Image]:
    """An image file of which the header is read, but not the pixels."""
    with (
        _without_folder(path),
        open_image(path, limits.bytes, limits.megapixels * 1e6) as image,
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
