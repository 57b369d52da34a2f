"""Image files as a protocol compares them: resized, padded, in [0, 1]; read in batches, damaged ones told apart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cfld.data.transforms import read_image, resize, to_tensor
from cfld.metrics.protocols import Protocol

BATCH: Final = 8
SMALLEST_SIDE: Final = 32
"""AlexNet's convolutions need as much."""

OPENCV: Final = {"opencv-linear": cv2.INTER_LINEAR, "opencv-cubic": cv2.INTER_CUBIC}

ImageArray = NDArray[np.float32]
"""(3, H, W), in [0, 1] but for what OpenCV's cubic filter overshoots."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Preparation:
    """What a protocol does to images before it compares them.

    Attributes:
        size: (height, width) that images are compared at, before any padding.

    Raises:
        ValueError: for a size that the metrics' networks and windows do not fit into.
    """

    protocol: Protocol
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.size) < SMALLEST_SIDE:
            raise ValueError(f"images are compared at {SMALLEST_SIDE} x {SMALLEST_SIDE} or more, got {self.size}")
        if self.protocol.padded and self.size[0] < self.size[1]:
            raise ValueError(f"this protocol pads upright images to squares, got a size of {self.size}")

    def truth(self, image: Image.Image) -> ImageArray:
        """A true image, of any size."""
        return self._pad(self.resized_truth(image))

    def resized_truth(self, image: Image.Image) -> ImageArray:
        """The same before any padding."""
        height, width = self.size
        if self.protocol.padded and image.width == image.height:
            left = (height - width) // 2
            image = image.resize((height, height), Image.Resampling.BICUBIC).crop((left, 0, left + width, height))
        if self.protocol.truth_resize == "bicubic":
            return _as_image(image.resize((width, height), Image.Resampling.BICUBIC))
        values = np.asarray(image, dtype=np.float32)
        resized = cv2.resize(values, (width, height), interpolation=OPENCV[self.protocol.truth_resize])
        return np.ascontiguousarray(resized.transpose(2, 0, 1)) / np.float32(255)

    def prediction(self, image: Image.Image) -> ImageArray:
        """A generated image. One of the right size stays as it is stored.

        Raises:
            ValueError: for another size, where the protocol scores images as they are stored.
        """
        if (image.height, image.width) == self.size:
            return self._pad(_as_image(image))
        if not self.protocol.prediction_resize:
            raise ValueError(
                f"is {image.height} x {image.width}, and this protocol scores images as stored, at "
                f"{self.size[0]} x {self.size[1]}; choose another --size or protocol"
            )
        resized = resize(to_tensor(image).float() / 255, self.size, value_range=(0.0, 1.0))
        return self._pad((self.to_eight_bits(resized).float() / 255).numpy())

    def to_eight_bits(self, images: Tensor) -> Tensor:
        """[0, 1] -> uint8, cut off or rounded."""
        levels = images * 255
        return (levels if self.protocol.truncate else levels.round()).clamp(0, 255).to(torch.uint8)

    def _pad(self, image: ImageArray) -> ImageArray:
        if not self.protocol.padded:
            return image
        left = (self.size[0] - self.size[1]) // 2
        right = self.size[0] - self.size[1] - left
        return np.pad(image, ((0, 0), (0, 0), (left, right)), constant_values=1)


@dataclass(frozen=True)
class Damaged:
    """An image that could not be read, and why; the reason names the file."""

    reason: str


@dataclass(frozen=True)
class Batch(Generic[T, R]):
    """What was read of some items, and the items that could not be."""

    items: list[T]
    read: list[R]
    damaged: list[Damaged]


def read_batches(items: Sequence[T], read: Callable[[T], R], description: str) -> Iterator[Batch[T, R]]:
    """Reads items in threads, a few at a time, in their order, with a progress bar; goes on after damaged ones.

    Args:
        read: raises ValueError for a damaged item.
    """

    def guarded(item: T) -> R | Damaged:
        try:
            return read(item)
        except ValueError as error:
            return Damaged(str(error))

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(items), desc=description, unit="image", disable=None) as bar,
    ):
        for start in range(0, len(items), BATCH):
            group = items[start : start + BATCH]
            outcomes = list(zip(group, pool.map(guarded, group), strict=True))
            whole = [(item, outcome) for item, outcome in outcomes if not isinstance(outcome, Damaged)]
            damaged = [outcome for _, outcome in outcomes if isinstance(outcome, Damaged)]
            yield Batch([item for item, _ in whole], [outcome for _, outcome in whole], damaged)
            bar.update(len(group))


def read_prepared(path: Path, prepare: Callable[[Image.Image], ImageArray]) -> ImageArray:
    """Reads a file.

    Raises:
        ValueError: naming the file.
    """
    image = read_image(path)
    try:
        return prepare(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def stack(images: Sequence[ImageArray], device: torch.device | str = "cpu") -> Tensor:
    """(B, 3, H, W)."""
    return torch.from_numpy(np.stack(images)).to(device)


def _as_image(image: Image.Image) -> NDArray[Any]:
    return to_tensor(image).numpy().astype(np.float32) / np.float32(255)
