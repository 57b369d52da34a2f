"""Reconstruction of images by the VAE alone."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cfld.data.transforms import resize
from cfld.models.loading import load_component
from cfld.pipeline import BUNDLED


def open_vae(model: str, device: torch.device | str = "cpu") -> AutoencoderKL:
    """Loads the VAE of a model.

    Args:
        model: name of the bundled model, or a folder in diffusers layout.

    Raises:
        ValueError: for anything else.
    """
    bundled = BUNDLED / model
    vae: AutoencoderKL = load_component(AutoencoderKL, bundled if bundled.is_dir() else model, "vae").to(device)
    return vae


@torch.no_grad()
def through_vae(vae: AutoencoderKL, images: Tensor, size: tuple[int, int]) -> Tensor:
    """Encodes images and decodes the mode of the posterior.

    Args:
        images: (B, 3, H, W) in [0, 1].
        size: (height, width) of the result.

    Returns:
        (B, 3, *size), about [0, 1].
    """
    side = vae.config.sample_size
    square = resize(2 * images - 1, (side, side)).to(vae.dtype)
    decoded = vae.decode(vae.encode(square).latent_dist.mode()).sample
    return (resize(decoded.float(), size) + 1) / 2
