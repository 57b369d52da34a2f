"""The one data set protocol: training and evaluation read people through it and through nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor

from cfld.data.transforms import resize, to_model_range, to_uint8
from cfld.poses.keypoints import Keypoints
from cfld.types import PosePair

SPLITS: Final = ("train", "test")


@runtime_checkable
class PoseDataset(Protocol):
    """A map-style data set of pairs of images of one person; a `DataLoader` takes it, with a collate function.

    A person that the annotator did not find has a pose of 18 missing joints: legal, and its pose map is black.
    """

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width) that every pose refers to, whatever the size of the images."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """(source name, target name) of every sample."""

    @property
    def names(self) -> Sequence[str]:
        """Every image of the split once, those outside all pairs too; what FID takes as the real set."""

    def __len__(self) -> int:
        """The number of pairs."""

    def __getitem__(self, index: int, /) -> PosePair:
        """Reads one pair.

        Raises:
            IndexError: past the end.
            ValueError: naming the file, when an image is damaged.
        """

    def image(self, name: str) -> Tensor:
        """uint8 (3, H, W), RGB. Raises ValueError for a name that is not there and for a damaged file."""

    def keypoints(self, name: str) -> Keypoints:
        """The pose in `frame`. Raises ValueError for an image without annotation."""


@runtime_checkable
class AttributeDataset(PoseDataset, Protocol):
    """A data set that can name the attributes of what its images show."""

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Attribute -> its number; 0 is the empty attribute, which stands for one that is not given."""

    def attributes(self, name: str) -> tuple[str, ...]:
        """Keys of `vocabulary`, as many for every image. Raises ValueError for a name that is not there."""


class ProceduralDataset(PoseDataset, Protocol):
    """A data set that generates its images as they are read."""

    def __init__(
        self, *, identities: int, poses: int, seed: int, split: str, size: tuple[int, int], cache_in_memory: bool
    ) -> None:
        """
        Args:
            identities: people in this split.
            poses: images of each.
            seed: random seed of people and poses.
            split: "train" or "test".
            size: (height, width) of the images.
            cache_in_memory: generate each image once a process.
        """


def check_split(split: str) -> str:
    """Returns `split`.

    Raises:
        ValueError: when it is neither "train" nor "test".
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; choose one of {', '.join(SPLITS)}")
    return split


def read_pair(dataset: PoseDataset, index: int) -> PosePair:
    """The sample at `index`. Images keep their stored size, but a source that differs is resized to its target's."""
    source, target = dataset.pairs[index]
    source_image, target_image = dataset.image(source), dataset.image(target)
    if source_image.shape != target_image.shape:
        height, width = target_image.shape[1:]
        source_image = to_uint8(resize(to_model_range(source_image), (height, width)))
    return PosePair(
        source_image=source_image,
        target_image=target_image,
        source_pose=torch.tensor(dataset.keypoints(source).yx),
        target_pose=torch.tensor(dataset.keypoints(target).yx),
        frame=dataset.frame,
        source_name=source,
        target_name=target,
    )
