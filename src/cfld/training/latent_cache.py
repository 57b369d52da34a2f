"""Every image's latent distribution, encoded once: the VAE would otherwise cost as much in each step as the UNet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from cfld.files import write_text
from cfld.training.checkpoint import fingerprint

_MOMENTS: Final = "moments.float16"
_DONE: Final = "done"
"""File with the number of images encoded so far."""


@dataclass(frozen=True)
class LatentCache:
    """Mean and standard deviation of the VAE's posterior for each image, on disk; training samples from it at each use.

    Attributes:
        folder: contains one file with a row per image.
        rows: image name -> its row.
        shape: (C, h, w) of the latents.
    """

    folder: Path
    rows: dict[str, int] = field(repr=False)
    shape: tuple[int, int, int]

    def moments(self, name: str) -> Tensor:
        """float16 (2, C, h, w): mean and standard deviation."""
        size = 2 * int(np.prod(self.shape))
        values = np.fromfile(self.folder / _MOMENTS, np.float16, count=size, offset=2 * size * self.rows[name])
        return torch.from_numpy(values).reshape(2, *self.shape)


def open_latent_cache(folder: Path, vae: AutoencoderKL, names: Sequence[str], images: Dataset[Tensor]) -> LatentCache:
    """The cache below `folder` that belongs to these images and this encoder; `build_latent_cache` fills it.

    Args:
        names: of the images, each once.
        images: as for `build_latent_cache`. The first, the middle and the last are part of the cache's key, so that
            a data set of other images under the same names gets another cache.
    """
    checked = {names[row]: images[row] for row in (0, len(names) // 2, len(names) - 1)}
    belongs_to = [list(names), fingerprint(checked), fingerprint(encoder_weights(vae))]
    key = hashlib.sha256(json.dumps(belongs_to).encode()).hexdigest()[:16]
    side = checked[names[0]].shape[-1] // 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (vae.config.latent_channels, side, side)
    return LatentCache(folder / key, {name: row for row, name in enumerate(names)}, shape)


def encoder_weights(vae: AutoencoderKL) -> dict[str, Tensor]:
    """The VAE's parameters that latents depend on, by name."""
    return {name: p for name, p in vae.named_parameters() if name.startswith(("encoder.", "quant_conv."))}


def build_latent_cache(
    cache: LatentCache, vae: AutoencoderKL, images: Dataset[Tensor], batch_size: int = 16, workers: int = 0
) -> None:
    """Encodes the images that the cache lacks, after an interruption the rest. Removes other caches beside it.

    Args:
        images: (3, S, S) in [-1, 1] each, in the order of the cache's rows.
    """
    cache.folder.mkdir(parents=True, exist_ok=True)
    for other in cache.folder.parent.iterdir():
        if other != cache.folder:
            shutil.rmtree(other)
    marker = cache.folder / _DONE
    done = int(marker.read_text()) if marker.is_file() else 0
    if done == len(cache.rows):
        return
    todo = DataLoader(images, batch_size, sampler=range(done, len(cache.rows)), num_workers=workers)
    bar = tqdm(desc="encoding images", unit="image", initial=done, total=len(cache.rows), mininterval=1)
    with bar, (cache.folder / _MOMENTS).open("r+b" if done else "wb") as file:
        file.truncate(2 * int(np.prod(cache.shape)) * 2 * done)
        file.seek(0, 2)
        for batch in todo:
            file.write(encode_moments(vae, batch.to(vae.device)).half().cpu().numpy().tobytes())
            file.flush()
            done += len(batch)
            write_text(marker, str(done))
            bar.update(len(batch))


@torch.no_grad()
def encode_moments(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """(B, 3, S, S) in [-1, 1] -> (B, 2, C, h, w): mean and standard deviation of the latents."""
    posterior = vae.encode(images).latent_dist
    return torch.stack([posterior.mean, posterior.std], dim=1)


def sample_moments(moments: Tensor, scaling_factor: float) -> Tensor:
    """(B, 2, C, h, w) -> z_0 (B, C, h, w). Uses torch's global random generator."""
    mean, deviation = moments.float().unbind(1)
    noise = torch.randn(mean.shape, device=mean.device)  # the values of randn_like depend on the memory layout
    return scaling_factor * (mean + deviation * noise)
