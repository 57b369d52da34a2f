"""The samples of each step, as pure functions of the random seed: order and flips need no saved state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from cfld.config.schema import DataConfig
from cfld.data.base import AttributeDataset, PoseDataset
from cfld.data.registry import PROCEDURAL_DATASETS, open_dataset
from cfld.data.transforms import resize, to_model_range
from cfld.poses.render import pose_map
from cfld.training.latent_cache import LatentCache

Key = tuple[int, int]
"""(epoch, index in the data set): one sample of the run."""


def derived_seed(*numbers: int) -> int:
    """Combines several numbers into one 64-bit random seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class MicroBatches(Sampler[list[Key]]):
    """The keys of one process's forward passes, from any position of the run.

    Sample g of the whole run is number `g % length` of epoch `g // length`'s permutation, so a batch may span two
    epochs. All processes and batch sizes split the same sequence.

    Attributes:
        length: samples per epoch.
        start, stop: range of forward passes, counted from the beginning of the run.
    """

    length: int
    batch_size: int
    _: KW_ONLY
    rank: int
    processes: int
    seed: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        for forward in range(self.start, self.stop):
            first = (forward * self.processes + self.rank) * self.batch_size
            places = (divmod(first + i, self.length) for i in range(self.batch_size))
            yield [(epoch, int(permutation(self.seed, epoch, self.length)[place])) for epoch, place in places]


@lru_cache(maxsize=2)
def permutation(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    """The order of the samples in one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(length)


def open_data(config: DataConfig, split: str, size: tuple[int, int]) -> PoseDataset:
    """Opens a split of a data set folder, or a procedural data set with images of (height, width) `size`.

    Raises:
        ValueError: when a folder is needed and none is named, or as `open_dataset`.
    """
    if config.root is not None:
        return open_dataset(config.kind, config.root, split, skip_missing=config.skip_missing)
    if config.kind not in PROCEDURAL_DATASETS:
        raise ValueError(f"data.root is not set; name the folder of the {config.kind} data set")
    return PROCEDURAL_DATASETS[config.kind](
        identities=config.identities,
        poses=config.poses,
        seed=config.seed,
        split=split,
        size=size,
        cache_in_memory=config.cache_in_memory,
    )


def paired_names(data: PoseDataset) -> list[str]:
    """Source and target of each pair."""
    return [name for pair in data.pairs for name in pair]


class Samples(Dataset[dict[str, Tensor]]):
    """A data set of training samples, prepared in the data workers and addressed by `Key`."""

    @property
    def names(self) -> Sequence[str]:
        """The images of all samples, in the samples' order."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Samples per epoch."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class PairedSamples(Samples):
    """One sample for each pair of a data set."""

    dataset: PoseDataset

    @property
    def names(self) -> Sequence[str]:
        return paired_names(self.dataset)

    def __len__(self) -> int:
        return len(self.dataset.pairs)


@dataclass(frozen=True, kw_only=True)
class PairSamples(PairedSamples):
    """Pairs for the method.

    Attributes:
        source_size: side of H_S's square image.
        pose_size: (height, width) of the pose maps.
        image_size: side of the square that the VAE encodes.
        flip: probability that H_S's image is flipped left-right; nothing else is ever flipped.
        latents: encoded images; None = samples contain the images themselves.
    """

    source_size: int
    pose_size: tuple[int, int]
    image_size: int
    flip: float
    seed: int
    latents: LatentCache | None = None

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """
        Returns:
            source_image: (3, source_size, source_size) in [-1, 1].
            poses: (2, 21, H, W), of source and target.
            moments: float16 (2, 2, C, h, w), mean and standard deviation of the latents of both; or
            images: (2, 3, image_size, image_size) in [-1, 1].
        """
        epoch, index = key
        pair = self.dataset.pairs[index]
        source = square(self.dataset.image(pair[0]), self.source_size)
        poses = torch.stack([pose_map(self.dataset.keypoints(name), size=self.pose_size) for name in pair])
        sample = {"source_image": source.flip(-1) if self._flipped(epoch, index) else source, "poses": poses}
        if self.latents is not None:
            return sample | {"moments": torch.stack([self.latents.moments(name) for name in pair])}
        images = [square(self.dataset.image(name), self.image_size) for name in pair]
        return sample | {"images": torch.stack(images)}

    def _flipped(self, epoch: int, index: int) -> bool:
        return bool(np.random.default_rng((self.seed, epoch, index)).random() < self.flip)


@dataclass(frozen=True, kw_only=True)
class TransferSamples(PairedSamples):
    """What the method is given, without the true image: source and target pose. Sizes as of `PairSamples`."""

    source_size: int
    pose_size: tuple[int, int]

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """source_image: (3, source_size, source_size) in [-1, 1]. poses: (21, H, W), of the target."""
        source, target = self.dataset.pairs[key[1]]
        return {
            "source_image": square(self.dataset.image(source), self.source_size),
            "poses": pose_map(self.dataset.keypoints(target), size=self.pose_size),
        }


@dataclass(frozen=True, kw_only=True)
class SingleImageSamples(Samples):
    """One sample for each image of a data set."""

    dataset: PoseDataset

    @property
    def names(self) -> Sequence[str]:
        return self.dataset.names

    def __len__(self) -> int:
        return len(self.dataset.names)


@dataclass(frozen=True, kw_only=True)
class AttributeSamples(SingleImageSamples):
    """Latents, pose maps and attributes of single images, for UNet pretraining.

    Attributes:
        pose_size: (height, width) of the pose maps.
    """

    dataset: AttributeDataset
    pose_size: tuple[int, int]
    latents: LatentCache

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """
        Returns:
            attributes: int64 (N,).
            poses: (21, H, W).
            moments: float16 (2, C, h, w), mean and standard deviation of the latents.
        """
        name = self.dataset.names[key[1]]
        return {
            "attributes": attribute_numbers(self.dataset, name),
            "poses": pose_map(self.dataset.keypoints(name), size=self.pose_size),
            "moments": self.latents.moments(name),
        }


@dataclass(frozen=True, kw_only=True)
class SourceSamples(SingleImageSamples):
    """Single images for H_S with their attributes. `source_size`: side of the square image."""

    dataset: AttributeDataset
    source_size: int

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """source_image: (3, source_size, source_size) in [-1, 1]. attributes: int64 (N,)."""
        name = self.dataset.names[key[1]]
        image = square(self.dataset.image(name), self.source_size)
        return {"source_image": image, "attributes": attribute_numbers(self.dataset, name)}


def attribute_numbers(dataset: AttributeDataset, name: str) -> Tensor:
    """int64 (N,): an image's attributes as numbers of the vocabulary."""
    return torch.tensor([dataset.vocabulary[attribute] for attribute in dataset.attributes(name)])


@dataclass(frozen=True, kw_only=True)
class ImageSamples(SingleImageSamples):
    """Single images at one size, or random square crops of them, for the autoencoder.

    Attributes:
        image_size: (height, width) in pixels.
        crop: side of the square in pixels; None = whole images.
    """

    image_size: tuple[int, int]
    crop: int | None = None
    seed: int = 0

    def __getitem__(self, key: Key) -> dict[str, Tensor]:
        """images: (3, H, W) in [-1, 1]."""
        image = resize(to_model_range(self.dataset.image(self.dataset.names[key[1]])), self.image_size)
        if self.crop is None:
            return {"images": image}
        free = np.array(self.image_size) - self.crop
        top, left = np.random.default_rng((self.seed, *key)).integers(0, free + 1)
        return {"images": image[:, top : top + self.crop, left : left + self.crop]}


def square(image: Tensor, side: int) -> Tensor:
    """uint8 (3, H, W) -> (3, side, side) in [-1, 1]."""
    return resize(to_model_range(image), (side, side))


@dataclass(frozen=True)
class NamedImages(Dataset[Tensor]):
    """The named images of a data set as squares, (3, side, side) in [-1, 1]."""

    data: PoseDataset
    names: Sequence[str]
    side: int

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return square(self.data.image(self.names[index]), self.side)

    def stacked(self) -> Tensor:
        """All of them, (len(names), 3, side, side)."""
        return torch.stack([self[index] for index in range(len(self))])


def sources_then_targets(pairs: Tensor) -> Tensor:
    """(B, 2, ...) -> (2B, ...)."""
    return pairs.transpose(0, 1).flatten(0, 1)
