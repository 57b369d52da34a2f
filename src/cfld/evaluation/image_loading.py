"""Reads images in batches; damaged ones are reported, and the rest is processed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from cfld.data.transforms import read_image
from cfld.evaluation.preparation import ImageArray

BATCH_SIZE: Final = 8

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Batch(Generic[T, R]):
    """Items that could be read, their results, and a message for each item that could not."""

    items: list[T]
    results: list[R]
    damaged: list[str]


def read_batches(items: Sequence[T], read: Callable[[T], R], description: str) -> Iterator[Batch[T, R]]:
    """Reads items in threads, in order, with a progress bar.

    Args:
        read: raises ValueError for a damaged item.
        description: of the progress bar.
    """

    def guarded(item: T) -> R | ValueError:
        try:
            return read(item)
        except ValueError as error:
            return error

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(items), desc=description, unit="image", disable=None) as bar,
    ):
        for start in range(0, len(items), BATCH_SIZE):
            group = items[start : start + BATCH_SIZE]
            batch: Batch[T, R] = Batch([], [], [])
            for item, outcome in zip(group, pool.map(guarded, group), strict=True):
                if isinstance(outcome, ValueError):
                    batch.damaged.append(str(outcome))
                else:
                    batch.items.append(item)
                    batch.results.append(outcome)
            yield batch
            bar.update(len(group))


def read_prepared(path: Path, prepare: Callable[[Image.Image], ImageArray]) -> ImageArray:
    """Reads and prepares an image. Raises ValueError naming the file."""
    image = read_image(path)
    try:
        return prepare(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def stack(images: Sequence[ImageArray], device: torch.device | str = "cpu") -> Tensor:
    """Returns (B, 3, H, W)."""
    return torch.from_numpy(np.stack(images)).to(device)
