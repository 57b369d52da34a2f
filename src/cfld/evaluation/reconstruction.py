"""The row "VAE reconstructed" of tables 2 and 4: what a perfect model could reach through its autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from diffusers import AutoencoderKL

from cfld.data.folder import FolderDataset
from cfld.data.transforms import to_pil
from cfld.evaluation.image_loading import ImageArray, Preparation, read_batches, read_prepared, stack
from cfld.inference.reconstruction import through_vae


def reconstruct(
    data: FolderDataset, names: Sequence[str], vae: AutoencoderKL, preparation: Preparation, out: Path
) -> dict[str, Path]:
    """Sends true images through the VAE, square as the model sees them, and squeezes them back.

    Args:
        names: of the images; damaged ones get no file.
        out: the folder to write, one PNG an image.

    Returns:
        name -> file, whether it could be written or not.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {name: out / f"{Path(name).stem}.png" for name in names}
    for batch in read_batches(names, partial(_read, data, preparation), "through the VAE"):
        if batch.read:
            images = through_vae(vae, stack(batch.read, vae.device), preparation.size)
            for name, image in zip(batch.items, preparation.to_eight_bits(images), strict=True):
                to_pil(image).save(files[name])
    return files


def _read(data: FolderDataset, preparation: Preparation, name: str) -> ImageArray:
    return read_prepared(data.path(name), preparation.resized_truth)
