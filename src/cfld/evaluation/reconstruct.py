"""The row "VAE reconstructed" of tables 2 and 4: what a perfect model could reach through its autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cfld.data.folder import FolderDataset
from cfld.data.transforms import resize, to_picture
from cfld.evaluation.pictures import Picture, Preparation, read_batches, read_prepared, stack
from cfld.models.folder import load_part
from cfld.pipeline import BUNDLED


def open_vae(model: str, device: torch.device | str = "cpu") -> AutoencoderKL:
    """The VAE of the bundled model, or of a folder in diffusers layout.

    Raises:
        ValueError: for any other.
    """
    bundled = BUNDLED / model
    vae: AutoencoderKL = load_part(AutoencoderKL, bundled if bundled.is_dir() else model, "vae").to(device)
    return vae


def reconstruct(
    data: FolderDataset, names: Sequence[str], vae: AutoencoderKL, preparation: Preparation, out: Path
) -> dict[str, Path]:
    """Sends true pictures through the VAE, square as the model sees them, and squeezes them back.

    Args:
        names: of the pictures; damaged ones get no file.
        out: the folder to write, one PNG a picture.

    Returns:
        name -> file, whether it could be written or not.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {name: out / f"{Path(name).stem}.png" for name in names}
    for batch in read_batches(names, partial(_read, data, preparation), "through the VAE"):
        if batch.read:
            pictures = through_vae(vae, stack(batch.read, vae.device), preparation.size)
            for name, picture in zip(batch.items, preparation.to_eight_bits(pictures), strict=True):
                to_picture(picture).save(files[name])
    return files


@torch.no_grad()
def through_vae(vae: AutoencoderKL, pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> the same at `size`; the mode of the posterior, decoded."""
    side = vae.config.sample_size
    square = resize(2 * pictures - 1, (side, side)).to(vae.dtype)
    decoded = vae.decode(vae.encode(square).latent_dist.mode()).sample
    return (resize(decoded.float(), size) + 1) / 2


def _read(data: FolderDataset, preparation: Preparation, name: str) -> Picture:
    return read_prepared(data.path(name), preparation.resized_truth)
