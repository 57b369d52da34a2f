"""Conversion of image files and PIL images of any mode to RGB, to tensors, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cfld.readers.images import read_pixels, upright

DARK: Final = 16
"""An image of 0 to 255 whose values are all at most this is black, or has another range."""
MAX_12_BIT: Final = 4095
RANGE_MARGIN: Final = 0.1
"""By how much interpolation overshoots values of [0, 1] or [-1, 1]."""


def read_image(path: str | Path, content: bytes | None = None) -> Image.Image:
    """Reads an image file as an upright RGB image without alpha; of an animation, the first frame.

    Args:
        content: of a file inside another one, for which `path` is its name in messages; None = that of the file.

    Raises:
        ValueError: if the file is absent, a folder, empty, not an image, truncated, or larger than Pillow's limit
            against decompression bombs; one line that names the file.
    """
    pixels = read_pixels(path, content)
    try:
        return to_rgb(pixels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts to 8-bit RGB: applies EXIF orientation, blends alpha with white, scales deep grey (`to_8_bit`).

    Of an animation, its current frame. The image itself is not changed.

    Raises:
        ValueError: for deep grey of an unknown value range.
    """
    info = dict(image.info)
    pixels = upright(image)
    pixels = pixels.copy() if pixels is image else pixels
    image.info = info  # loading the pixels may have added to it
    image = to_8_bit(pixels)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def to_8_bit(image: Image.Image) -> Image.Image:
    """Converts grey of modes I, I;16 and F to mode L, by the largest value; other modes are returned unchanged.

    Values up to 255 are kept, those of 16 bits are divided by 257, and fractions (mode F, at most 1) become 0 to 255.

    Raises:
        ValueError: for any other range, such as 0 to 4095 or negative values.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        values = values * 255
    elif image.mode != "F" and low >= 0 and MAX_12_BIT < high <= 65535:
        values = values / 257.0
    elif not 0 <= low <= high <= 255 or 0 < high <= DARK:
        raise ValueError(
            f"unknown value range {low:g} to {high:g} of an image of mode {image.mode}; "
            "expected 0 to 255, 16 bits or, in mode F, 0 to 1"
        )
    return Image.fromarray(values.round().astype(np.uint8))


def to_tensor(image: Image.Image) -> Tensor:
    """Converts a PIL image of any mode to uint8 (3, H, W), RGB."""
    return torch.from_numpy(np.array(to_rgb(image))).permute(2, 0, 1).contiguous()


def to_pil(image: Tensor) -> Image.Image:
    """Converts uint8 (3, H, W) to an RGB PIL image."""
    return Image.fromarray(image.permute(1, 2, 0).cpu().numpy())


def resize(images: Tensor, size: tuple[int, int], value_range: tuple[float, float] = (-1.0, 1.0)) -> Tensor:
    """Resizes bicubically with antialiasing; overshoot is clamped.

    Args:
        images: floating point (B, 3, H, W) or (3, H, W).
        size: (height, width) of the result.
        value_range: of the images; the result is clamped to it.
    """
    batch = images if images.ndim == 4 else images[None]
    resized = F.interpolate(batch, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(*value_range)
    return resized if images.ndim == 4 else resized[0]


def letterbox(images: Tensor, shape: tuple[int, int], side: int) -> Tensor:
    """Resizes images to squares that stand for an aspect ratio, extended to it in the median colour of their edge.

    Args:
        images: floating point (B, C, H, W) or (C, H, W), in [-1, 1].
        shape: (height, width) with the aspect ratio that a square is later stretched to.
    """
    height, width = images.shape[-2:]
    scale = min(1 / height, shape[1] / shape[0] / width)  # of an image as large as fits into a frame of height 1
    rows, columns = max(round(side * height * scale), 1), max(round(side * width * scale * shape[0] / shape[1]), 1)
    edge = torch.cat([images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1]], dim=-1)
    squares = edge.median(dim=-1).values[..., None, None].repeat_interleave(side, -2).repeat_interleave(side, -1)
    top, left = (side - rows) // 2, (side - columns) // 2
    squares[..., top : top + rows, left : left + columns] = resize(images, (rows, columns))
    return squares


def by_content(images: Tensor) -> Tensor:
    """Converts an image tensor to float32 in [-1, 1].

    Integers are 0 to 255. Floating-point values are in [-1, 1] if the darkest is clearly negative, and 0 to 255 if the
    brightest is above 16. What could be [0, 1] as well as a bright image in [-1, 1] is refused.

    Args:
        images: of any shape, all in one unit.

    Raises:
        ValueError: for any other range, naming it, and for NaN and infinite values.
    """
    values = images.float()
    if not torch.isfinite(values).all():
        raise ValueError("the image tensor holds NaN or infinite values")
    low, high = values.min().item(), values.max().item()
    if images.dtype == torch.uint8 or (low >= 0 and DARK < high <= 255):
        return to_model_range(values)
    if images.is_floating_point() and -1 - RANGE_MARGIN <= low < -RANGE_MARGIN and high <= 1 + RANGE_MARGIN:
        return values
    fraction = images.is_floating_point() and low >= -RANGE_MARGIN and high <= 1 + RANGE_MARGIN
    hint = "; if it is [0, 1], pass 2 * image - 1" if fraction else ""
    raise ValueError(
        f"the unit of an image tensor ({images.dtype}) with values from {low:.6g} to {high:.6g} is unknown{hint}; "
        "expected [-1, 1] or 0 to 255"
    )


def to_model_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]; any shape."""
    return images.float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] -> uint8, rounded, clamped; any shape."""
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
