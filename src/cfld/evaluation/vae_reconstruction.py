"""The row "VAE reconstructed" of tables 2 and 4: the upper bound that the autoencoder sets for the method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diffusers import AutoencoderKL

from cfld.data.folder import FolderDataset
from cfld.data.transforms import to_pil
from cfld.evaluation.image_loading import read_batches, read_prepared, stack
from cfld.evaluation.preparation import ImageArray, Preparation
from cfld.files import replacing
from cfld.inference.reconstruction import through_vae


def reconstruct(
    data: FolderDataset, names: Sequence[str], vae: AutoencoderKL, preparation: Preparation, out: Path
) -> dict[str, Path]:
    """Encodes and decodes true images, at the model's square size, and resizes them back.

    Args:
        names: of the images; damaged ones get no file.
        out: the folder to write, one PNG per image.

    Returns:
        name -> file, whether it could be written or not.
    """
    out.mkdir(parents=True, exist_ok=True)
    files = {name: out / f"{Path(name).stem}.png" for name in names}

    def read(name: str) -> ImageArray:
        return read_prepared(data.path(name), preparation.resized_truth)

    for batch in read_batches(names, read, "VAE reconstruction"):
        if batch.results:
            images = through_vae(vae, stack(batch.results, vae.device), preparation.size)
            for name, image in zip(batch.items, preparation.to_uint8(images), strict=True):
                with replacing(files[name]) as temporary:
                    to_pil(image).save(temporary, format="PNG")
    return files
