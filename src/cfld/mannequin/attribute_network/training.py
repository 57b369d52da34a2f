"""Training of the attribute network.

    cfld attribute-net train --out runs/attribute-net

Images are rendered once, into a file in `out` that can be deleted afterwards, and shifted by a few pixels whenever they
are read. They are never blurred: a pattern that is blurred away is one that a generated image lacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cfld.data.transforms import to_model_range
from cfld.mannequin.attribute_network.network import INPUT_SIZE, NOT_SEEN, AttributeNetwork, targets
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.network_config import NetworkConfig
from cfld.mannequin.networks import fit, render_pixels, save_network
from cfld.ranges import check_ranges

SHIFT: Final = 4
"""Images are shifted by up to so many pixels in each direction."""


def train_attribute_network(config: NetworkConfig, out: Path) -> Path:
    """Renders the training images, trains the network and saves it.

    Returns:
        the folder of the network, `out/network`.

    Raises:
        ValueError: if a number in `config` is out of range.
        FloatingPointError: if the loss is not finite; the message gives the step.
    """
    check_ranges(config)
    dataset = MannequinDataset(identities=config.identities, poses=config.poses, seed=config.seed, size=INPUT_SIZE)
    out.mkdir(parents=True, exist_ok=True)
    pixels = render_pixels(dataset, INPUT_SIZE, out / "images.npy")
    numbers = torch.tensor([targets(*dataset.person(name)) for name in dataset.names])
    torch.manual_seed(config.seed)
    network = fit(
        AttributeNetwork(),
        batches(pixels, numbers, config),
        reading_loss,
        config,
        dtype=torch.float32,
    )
    save_network(network, out / "network")
    return out / "network"


def reading_loss(logits: list[Tensor], numbers: Tensor) -> Tensor:
    """Mean over the attributes of the cross-entropy where they are seen.

    Args:
        logits: (B, number of values) each.
        numbers: int64 (B, R), see `targets`.
    """
    seen = (numbers != NOT_SEEN).any(0)
    losses = [F.cross_entropy(logits[role], numbers[:, role], ignore_index=NOT_SEEN) for role in seen.nonzero()[:, 0]]
    return torch.stack(losses).mean()


def batches(pixels: NDArray[np.uint8], numbers: Tensor, config: NetworkConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields images (B, 3, H, W) in [-1, 1] and their numbers (B, R) for each step, determined by the seed."""
    rng = np.random.default_rng([config.seed, 5])
    for _ in range(config.steps):
        chosen = rng.integers(len(pixels), size=config.batch_size)
        images = np.stack([shifted(pixels[i], rng) for i in chosen]).transpose(0, 3, 1, 2)
        yield to_model_range(torch.from_numpy(images)), numbers[torch.from_numpy(chosen)]


def shifted(pixels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """(H, W, 3), shifted by up to `SHIFT` pixels, the edge repeated."""
    top, left = rng.integers(2 * SHIFT + 1, size=2)
    padded = np.pad(pixels, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    return padded[top : top + pixels.shape[0], left : left + pixels.shape[1]]
