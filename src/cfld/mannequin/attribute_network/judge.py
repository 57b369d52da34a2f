"""The attribute network as a judge of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from cfld.data.transforms import resize
from cfld.mannequin.attribute_network.network import INPUT_SIZE, NOT_SEEN, ROLES, AttributeNetwork, targets
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.networks import load_network
from cfld.metrics.fid import FeatureStatistics, Gaussian, frechet_distance

BATCH: Final = 32


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the network says of images.

    Attributes:
        values: int64 (N, R), the number of the most likely value of each of `ROLES`.
        features: float32 (N, D).
    """

    values: NDArray[np.int64]
    features: NDArray[np.float32]

    def shares(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """(R,): the fraction of images whose attribute is read right, of those that show it; NaN without any.

        Args:
            numbers: (N, R), see `targets`.
        """
        right = np.where(numbers == NOT_SEEN, np.nan, self.values == numbers)
        seen = (~np.isnan(right)).sum(0)
        return np.where(seen, np.nansum(right, axis=0) / np.maximum(seen, 1), np.nan)

    def right(self, numbers: NDArray[np.int64]) -> float:
        """Mean of `shares`."""
        return float(np.nanmean(self.shares(numbers)))


def frechet(features: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """The Fréchet distance of two sets of features (N, D); NaN for fewer than two images in one of them."""
    if min(len(features), len(others)) < 2:
        return float("nan")
    return frechet_distance(_gaussian(features), _gaussian(others))


def _gaussian(features: NDArray[np.float32]) -> Gaussian:
    statistics = FeatureStatistics()
    statistics.update(features)
    return statistics.gaussian()


def judge(images: NDArray[np.floating[Any]], network: AttributeNetwork) -> Judgement:
    """Reads images (N, H, W, 3) in [0, 1]."""
    parts = [_judge(images[start : start + BATCH], network) for start in range(0, len(images), BATCH)]
    values, features = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Judgement(values, features)


def accuracy(folder: Path, dataset: MannequinDataset) -> dict[str, float]:
    """How often the network in `folder` reads each attribute right; raises ValueError if it holds none."""
    network = load_network(AttributeNetwork, folder)
    images = np.stack([dataset.image(name).permute(1, 2, 0).numpy() for name in tqdm(dataset.names, "rendering")])
    numbers = np.array([targets(*dataset.person(name)) for name in dataset.names])
    judged = judge(images.astype(np.float32) / 255, network)
    return dict(zip(ROLES, judged.shares(numbers).tolist(), strict=True))


@torch.no_grad()
def _judge(images: NDArray[np.floating[Any]], network: AttributeNetwork) -> tuple[NDArray[Any], NDArray[Any]]:
    maps = network.maps(resize(_model_range(images), INPUT_SIZE))
    values = torch.stack([logits.argmax(1) for logits in network.read(maps)], dim=1)
    return values.numpy(), maps.mean((2, 3)).numpy()


def _model_range(images: NDArray[np.floating[Any]]) -> Tensor:
    return torch.from_numpy(images).float().permute(0, 3, 1, 2) * 2 - 1
