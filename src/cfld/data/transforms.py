"""Conversion of image files and PIL images of any mode to RGB, to tensors, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from cfld.readers.images import read_pixels, upright


def read_image(path: str | Path) -> Image.Image:
    """Reads an image file as an upright RGB image without alpha; of an animation, the first frame.

    Raises:
        ValueError: if the file is absent, a folder, empty, not an image, truncated, or larger than Pillow's limit
            against decompression bombs; one line that names the file.
    """
    pixels = read_pixels(path)
    try:
        return to_rgb(pixels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts to 8-bit RGB: applies EXIF orientation, blends alpha with white, scales 16-bit grey; first frame only.

    Raises:
        ValueError: for floating-point images, whose value range is unknown.
    """
    if getattr(image, "is_animated", False):
        image.seek(0)
    image = upright(image)
    if image.mode == "F":
        raise ValueError(
            "the value range of a floating-point image (mode F) is unknown; save it with 8 bits per channel"
        )
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257.0).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


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


def to_model_range(images: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1]; any shape."""
    return images.float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] -> uint8, rounded, clamped; any shape."""
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
