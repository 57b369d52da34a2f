"""The data set protocols. Training and evaluation read data through them only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from cfld.data.transforms import resize, to_model_range, to_uint8
from cfld.digests import digest, in_threads
from cfld.poses.keypoints import Keypoints
from cfld.types import PosePair


@runtime_checkable
class PoseDataset(Protocol):
    """A map-style data set of image pairs of one person; a `DataLoader` takes it, with a collate function.

    Subclasses set the three attributes, and implement `image` and `keypoints`.
    A pose may have 18 missing joints, where an annotator found nobody; its pose map is black.
    """

    frame: tuple[int, int]
    """(height, width) that every pose refers to, independent of the size of the images."""
    pairs: Sequence[tuple[str, str]]
    """(source name, target name) of every sample."""
    names: Sequence[str]
    """All images of the split, including those in no pair: the real set of FID."""

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int, /) -> PosePair:
        """Reads one pair. The source is resized to its target if their sizes differ.

        Raises:
            IndexError: past the end.
            ValueError: if an image is damaged; names the file.
        """
        source, target = self.pairs[index]
        source_image, target_image = self.image(source), self.image(target)
        if source_image.shape != target_image.shape:
            height, width = target_image.shape[1:]
            source_image = to_uint8(resize(to_model_range(source_image), (height, width)))
        return PosePair(
            source_image=source_image,
            target_image=target_image,
            source_pose=torch.tensor(self.keypoints(source).yx),
            target_pose=torch.tensor(self.keypoints(target).yx),
            frame=self.frame,
            source_name=source,
            target_name=target,
        )

    def image(self, name: str) -> Tensor:
        """uint8 (3, H, W), RGB. Raises ValueError for an unknown name or a damaged file."""

    def keypoints(self, name: str) -> Keypoints:
        """The pose in `frame`. Raises ValueError for an image without annotation."""

    def digest(self, name: str) -> str:
        """Changes with the image and its pose; what was computed from them is kept as long as it is the same."""
        image = self.image(name)
        return digest(str(tuple(image.shape)), image.contiguous().numpy().data, self.keypoints(name).yx.tobytes())


@runtime_checkable
class AttributeDataset(PoseDataset, Protocol):
    """A data set with attributes of its images, words of a fixed vocabulary."""

    vocabulary: Mapping[str, int]
    """Attribute -> number; 0 is the empty string, which stands for an attribute that is not given."""
    phrases: Sequence[int]
    """The phrase that each of an image's attributes belongs to, from 0; a prompt has one token a phrase."""

    def attributes(self, name: str) -> tuple[str, ...]:
        """Keys of `vocabulary`, equally many for every image. Raises ValueError for an unknown name."""


class ProceduralDataset(PoseDataset, Protocol):
    """A data set that renders its images when they are read."""

    def __init__(
        self, *, identities: int, poses: int, seed: int, split: str, size: tuple[int, int], cache_in_memory: bool
    ) -> None:
        """
        Args:
            identities: number of people in this split.
            poses: images of each person.
            seed: random seed of people and poses.
            split: "train" or "test"; no person is in both.
            size: (height, width) of the images.
            cache_in_memory: keep rendered images and poses in memory; callers must not modify them.
        """


def image_digests(dataset: PoseDataset, names: Iterable[str]) -> dict[str, str]:
    """Name -> `digest`, of each image once; reads every file of a data set on disk."""
    unique = list(dict.fromkeys(names))
    return dict(zip(unique, in_threads(dataset.digest, unique, "checking images"), strict=True))
