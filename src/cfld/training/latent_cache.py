"""Every image's latent distribution, encoded once: the VAE would otherwise cost as much in each step as the UNet."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from cfld.claims import claimed_folder
from cfld.digests import ABSENT, DIGITS, digest, in_threads, json_digest, outdated, tensor_digest
from cfld.training.workers import loaded

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LatentCache:
    """Mean and standard deviation of the VAE's posterior for each image, on disk; training samples from it at each use.

    Attributes:
        folder: contains one file with a row per image, and one with the digests of each row and of its image.
        rows: image name -> its row.
        shape: (C, h, w) of the latents.
    """

    folder: Path
    rows: dict[str, int] = field(repr=False)
    shape: tuple[int, int, int]

    @property
    def moments_file(self) -> Path:
        return self.folder / "moments.float16"

    @property
    def digests_file(self) -> Path:
        return self.folder / "moments.digests"

    @property
    def row_bytes(self) -> int:
        return 2 * int(np.prod(self.shape)) * np.dtype(np.float16).itemsize

    def moments(self, name: str) -> Tensor:
        """float16 (2, C, h, w): mean and standard deviation.

        Raises:
            ValueError: when the row is damaged.
        """
        row = self.rows[name]
        content = _read(self.moments_file, row, self.row_bytes)
        if digest(content) != _read(self.digests_file, row, 2 * DIGITS)[DIGITS:].decode(errors="replace"):
            raise ValueError(
                f"{self.moments_file}: the latents of {name} are damaged; repeat the command to encode them again"
            )
        return torch.frombuffer(bytearray(content), dtype=torch.float16).reshape(2, *self.shape)

    def problem(self, name: str, image: str) -> str | None:
        """Why the row of an image is not, or no longer, what would be encoded now; None if it is.

        Args:
            image: digest of the image.
        """
        recorded = _read(self.digests_file, self.rows[name], 2 * DIGITS).decode(errors="replace")
        if not recorded.strip("\0"):
            return ABSENT
        if recorded[:DIGITS] != image:
            return "image changed"
        content = _read(self.moments_file, self.rows[name], self.row_bytes)
        return None if recorded[DIGITS:] == digest(content) else "damaged"


def open_latent_cache(folder: Path, vae: AutoencoderKL, names: Sequence[str], side: int) -> LatentCache:
    """The cache below `folder` that belongs to images of these names and this encoder; `build_latent_cache` fills it.

    Args:
        names: of the images, each once.
        side: of the square images in pixels.
    """
    shape = (vae.config.latent_channels, *[side // 2 ** (len(vae.config.block_out_channels) - 1)] * 2)
    key = json_digest([list(names), shape, tensor_digest(encoder_weights(vae))])[:16]
    return LatentCache(folder / key, {name: row for row, name in enumerate(names)}, shape)


def encoder_weights(vae: AutoencoderKL) -> dict[str, Tensor]:
    """The VAE's parameters that latents depend on, by name."""
    return {name: p for name, p in vae.named_parameters() if name.startswith(("encoder.", "quant_conv."))}


def build_latent_cache(
    cache: LatentCache,
    vae: AutoencoderKL,
    images: Dataset[Tensor],
    digests: Mapping[str, str],
    batch_size: int = 16,
    workers: int = 0,
) -> None:
    """Encodes the images that the cache lacks, and those whose image has changed or whose latents are damaged.

    Other caches beside it stay. It waits while another process encodes the same images.

    Args:
        images: (3, S, S) in [-1, 1] each, in the order of the cache's rows.
        digests: of the images, by name.
        batch_size: images are encoded in the same batches whenever and however often the cache is built.
    """
    with claimed_folder(cache.folder, wait=True):
        _fill(cache, vae, images, digests, batch_size, workers)


def _fill(
    cache: LatentCache,
    vae: AutoencoderKL,
    images: Dataset[Tensor],
    digests: Mapping[str, str],
    batch_size: int,
    workers: int,
) -> None:
    names = list(cache.rows)
    for file in (cache.moments_file, cache.digests_file):
        file.open("ab").close()
    problems = in_threads(lambda name: cache.problem(name, digests[name]), names, "checking latents")
    if again := outdated(problems):
        logger.warning("%s: images encoded again: %s", cache.folder, again)
    starts = sorted({row // batch_size * batch_size for row, problem in enumerate(problems) if problem})
    batches = [list(range(len(names)))[start : start + batch_size] for start in starts]
    bar = tqdm(desc="encoding images", unit="image", total=sum(map(len, batches)), mininterval=1, disable=not batches)
    with bar, cache.moments_file.open("r+b") as moments, cache.digests_file.open("r+b") as recorded:
        loader = DataLoader(images, batch_sampler=batches, num_workers=workers)
        for rows, batch in zip(batches, loaded(loader), strict=True):
            encoded = [row.tobytes() for row in encode_moments(vae, batch.to(vae.device)).half().cpu().numpy()]
            lines = [digests[names[row]] + digest(content) for row, content in zip(rows, encoded, strict=True)]
            _write(moments, rows[0], encoded)
            _write(recorded, rows[0], [line.encode() for line in lines])
            bar.update(len(rows))


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


def _read(file: Path, row: int, size: int) -> bytes:
    """Row number `row` of a file of rows of `size` bytes; shorter at the end of the file."""
    with file.open("rb", buffering=0) as opened:
        opened.seek(row * size)
        return opened.read(size)


def _write(file: BinaryIO, row: int, rows: Sequence[bytes]) -> None:
    """Writes rows of one size from number `row` on."""
    file.seek(row * len(rows[0]))
    file.write(b"".join(rows))
    file.flush()
