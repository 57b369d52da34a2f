"""What a step is fed with, as pure functions of the seed: order, flips and random seeds need no saved state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cfld.data.base import DescribedPictures, PoseDataset
from cfld.data.transforms import resize, to_model_range
from cfld.poses.render import pose_map
from cfld.training.latent_cache import LatentCache

Key = tuple[int, int]
"""(epoch, index in the data set): one sample of the run."""


def derived_seed(*numbers: int) -> int:
    """One 64-bit seed out of several numbers; other numbers, another seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


class MicroBatches(Sampler[list[Key]]):
    """The keys of one process's forwards, from any position on.

    Epochs follow each other without a seam: sample g of the whole run is `g % length` of epoch `g // length`'s
    permutation. Processes and batch sizes cut the same sequence differently.
    """

    def __init__(
        self, length: int, batch_size: int, *, rank: int, processes: int, seed: int, start: int, stop: int
    ) -> None:
        """
        Args:
            length: samples of an epoch.
            start, stop: the forwards to give, counted from the beginning of the run.
        """
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.processes, self.start, self.stop = rank, processes, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        for forward in range(self.start, self.stop):
            first = (forward * self.processes + self.rank) * self.batch_size
            yield [self._key(first + i) for i in range(self.batch_size)]

    def _key(self, sample: int) -> Key:
        epoch, position = divmod(sample, self.length)
        return epoch, int(permutation(self.seed, epoch, self.length)[position])


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    """The order of one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(length)


@dataclass(frozen=True, kw_only=True)
class PairSamples(Dataset[dict[str, Tensor]]):
    """What `CFLDObjective` needs of a pair, prepared in the data workers.

    Attributes:
        source_size: side of H_S's square image.
        pose_size: (height, width) of the pose maps.
        picture_size: side of the square that the VAE encodes.
        flip: chance that the image H_S sees is flipped left-right; nothing else is ever flipped.
        latents: encoded pictures; None = the pictures themselves are given.
    """

    dataset: PoseDataset
    source_size: int
    pose_size: tuple[int, int]
    picture_size: int
    flip: float
    seed: int
    latents: LatentCache | None = None

    def __len__(self) -> int:
        return len(self.dataset.pairs)

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """
        Returns:
            source_image: (3, source_size, source_size) in [-1, 1].
            poses: (2, 21, H, W), of source and target.
            moments: float16 (2, 2, C, h, w), mean and deviation of the latents of both; or
            pictures: (2, 3, picture_size, picture_size) in [-1, 1].
        """
        epoch, index = key
        pair = self.dataset.pairs[index]
        source = square(self.dataset.image(pair[0]), self.source_size)
        poses = torch.stack([pose_map(self.dataset.keypoints(name), size=self.pose_size) for name in pair])
        sample = {"source_image": source.flip(-1) if self._flipped(epoch, index) else source, "poses": poses}
        if self.latents is not None:
            return sample | {"moments": torch.stack([self.latents.moments(name) for name in pair])}
        pictures = [square(self.dataset.image(name), self.picture_size) for name in pair]
        return sample | {"pictures": torch.stack(pictures)}

    def _flipped(self, epoch: int, index: int) -> bool:
        return bool(np.random.default_rng((self.seed, epoch, index)).random() < self.flip)


@dataclass(frozen=True, kw_only=True)
class DescribedSamples(Dataset[dict[str, Tensor]]):
    """Every picture's latents and the words that describe it, for a base UNet."""

    dataset: PoseDataset
    numbers: Mapping[str, int]
    latents: LatentCache

    def __len__(self) -> int:
        return len(self.dataset.names)

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """words: int64 (N,). moments: float16 (2, C, h, w), mean and deviation of the latents."""
        name = self.dataset.names[key[1]]
        return {"words": word_numbers(self.dataset, name, self.numbers), "moments": self.latents.moments(name)}


def word_numbers(dataset: PoseDataset, name: str, numbers: Mapping[str, int]) -> Tensor:
    """int64 (N,): the numbers of the words that describe a picture.

    Raises:
        ValueError: when the data set has no words for its pictures.
    """
    if not isinstance(dataset, DescribedPictures):
        raise ValueError("a base UNet learns from described pictures: drawn people, data.kind mannequin without a root")
    return torch.tensor([numbers[word] for word in dataset.words(name)])


@dataclass(frozen=True, kw_only=True)
class PictureSamples(Dataset[dict[str, Tensor]]):
    """Every picture of a data set at one size, or a random square of it, for the autoencoder.

    Attributes:
        picture_size: (height, width) in pixels.
        crop: side of the square; None = the whole.
    """

    dataset: PoseDataset
    picture_size: tuple[int, int]
    crop: int | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.dataset.names)

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """pictures: (3, H, W) in [-1, 1], the crop's size or the picture's."""
        picture = resize(to_model_range(self.dataset.image(self.dataset.names[key[1]])), self.picture_size)
        if self.crop is None:
            return {"pictures": picture}
        free = np.array(self.picture_size) - self.crop
        top, left = np.random.default_rng((self.seed, *key)).integers(0, free + 1)
        return {"pictures": picture[:, top : top + self.crop, left : left + self.crop]}


def square(image: Tensor, side: int) -> Tensor:
    """uint8 (3, H, W) -> (3, side, side) in [-1, 1]."""
    return resize(to_model_range(image), (side, side))
