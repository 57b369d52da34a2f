"""Style transfer under a mask (section 4.6), without training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

Mask: TypeAlias = Image.Image | NDArray[Any] | Tensor
"""The region to generate, in white: a PIL image of any mode, or (H, W) of bool, 0 and 1, 0 to 255, or 16 bits."""


@dataclass(frozen=True)
class MaskedSampling:
    """An `OnStep` that replaces the latents outside a mask by the reference's, noised to the level of each step.

    The reference has the same noise at every step. The scheduler adds it, so any diffusers scheduler works.

    Attributes:
        scheduler: a diffusers scheduler after `set_timesteps`.
        reference: (1, 4, h, w), the clean latents z_0^ref.
        noise: (B, 4, h, w), standard normal; also the start of sampling inside the mask.
        mask: bool (1, 1, h, w), where to generate.
    """

    scheduler: Any
    reference: Tensor
    noise: Tensor
    mask: Tensor

    def start(self) -> Tensor:
        """(B, 4, h, w), the initial latents before multiplication by `scheduler.init_noise_sigma`."""
        return self._blend(self.noise, self._noised(0) / self.scheduler.init_noise_sigma)

    def __call__(self, i: int, t: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002
        return self._blend(z, self._noised(i + 1))

    def _blend(self, z_t: Tensor, z_t_ref: Tensor) -> Tensor:
        # section 4.6: m z_t + (1 - m) z_t^ref
        return torch.where(self.mask.to(z_t.device), z_t, z_t_ref)

    def _noised(self, i: int) -> Tensor:
        """z_t^ref at the noise level of step `i`; after the last step z_0^ref."""
        timesteps = self.scheduler.timesteps
        z_0 = self.reference.to(self.noise).expand_as(self.noise)
        if i == len(timesteps):
            return z_0
        if hasattr(self.scheduler, "set_begin_index"):  # step by index: several steps may share one timestep
            self.scheduler.set_begin_index(0)
        # eq. 1: z_t^ref = sqrt(alpha_bar_t) z_0^ref + sqrt(1 - alpha_bar_t) eps
        return self.scheduler.add_noise(z_0, self.noise, timesteps[i].repeat(len(z_0)))


def soft_mask(mask: Mask, size: tuple[int, int], feather: float = 0.0) -> Tensor:
    """Converts a mask to weights: 1 inside, 0 outside, and a linear ramp along the inside of its edge.

    Args:
        mask: white where to generate, thresholded at one half; transparent counts as black.
        size: (height, width) of the image that it masks.
        feather: width of the ramp in pixels; 0 is a hard edge.

    Returns:
        float32 (1, 1, H, W) in [0, 1].

    Raises:
        ValueError: if the mask has another size or is empty, or `feather` is negative or infinite.
    """
    inside = _binarise(mask)
    if inside.shape != size:
        found, expected = (" x ".join(map(str, reversed(shape))) for shape in (inside.shape, size))
        raise ValueError(f"the mask has {found} pixels, expected {expected}, the size of its reference image")
    if not inside.any():
        raise ValueError("the mask is empty: it has no white pixel, so nothing would be generated")
    if not 0 <= feather < math.inf:
        raise ValueError(f"feather is a width in pixels, 0 or more, got {feather}")
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)  # 1 at the edge
    return torch.from_numpy(np.minimum(depth / (feather + 1), 1.0).astype(np.float32))[None, None]


def latent_mask(weights: Tensor, size: tuple[int, int]) -> Tensor:
    """The binary mask m of section 4.6: bool (1, 1, h, w), true for a latent if any of its pixels is to be generated.

    Thin masks survive; `paste` then cuts the image at the mask's own edge.

    Args:
        weights: of `soft_mask`.
        size: (h, w) of the latents.
    """
    return F.adaptive_max_pool2d(weights, size) > 0


def paste(generated: Tensor, backdrop: Tensor, weights: Tensor) -> Tensor:
    """Blends generated images over a backdrop, which stays bit-identical where the weights are zero.

    Args:
        generated: (B, 3, H, W).
        backdrop: (1, 3, H, W) of the same range.
        weights: of `soft_mask`, at any size.
    """
    w = F.interpolate(weights, size=generated.shape[-2:], mode="area").to(generated)
    return w * generated + (1 - w) * backdrop.to(generated)


def _binarise(mask: Mask) -> NDArray[np.bool_]:
    """bool (H, W)."""
    if isinstance(mask, Image.Image):
        mask = ImageOps.exif_transpose(mask)
    if isinstance(mask, Image.Image) and not mask.mode.startswith(("I", "F")):
        upright = mask.convert("RGBA")
        mask = np.asarray(Image.alpha_composite(Image.new("RGBA", upright.size, "black"), upright).convert("L"))
    values = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"a mask has one channel (H, W), got shape {tuple(values.shape)}")
    if not np.isfinite(values).all():
        raise ValueError("a mask holds NaN or infinite values; expected 0 and 1, or 0 to 255")
    white = next((white for white in (1, 255) if values.max() <= white), 65535)
    return np.asarray(values >= white / 2)
