"""Training of the network that reads what mannequins wear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from cfld.mannequin.attribute_network.network import NOT_SEEN, AttributeNetwork
from cfld.mannequin.attribute_network.training import SHIFT, batches, reading_loss, shifted, train_attribute_network
from cfld.mannequin.network_config import ATTRIBUTE_NETWORK
from cfld.mannequin.networks import fit, load_network

TINY = replace(ATTRIBUTE_NETWORK, identities=2, poses=2, steps=2, batch_size=4)


def test_a_run_leaves_a_network_and_the_same_run_the_same(tmp_path: Path) -> None:
    first, second = (
        load_network(AttributeNetwork, train_attribute_network(TINY, tmp_path / name)).state_dict() for name in "ab"
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_loss_leaves_out_what_is_not_seen() -> None:
    logits = [torch.randn(3, 4), torch.randn(3, 5)]
    numbers = torch.tensor([[1, NOT_SEEN], [2, NOT_SEEN], [NOT_SEEN, NOT_SEEN]])
    expected = F.cross_entropy(logits[0][:2], numbers[:2, 0])
    torch.testing.assert_close(reading_loss(logits, numbers), expected)


def test_shifts_keep_the_middle() -> None:
    pixels, rng = np.arange(20 * 16 * 3).reshape(20, 16, 3), np.random.default_rng(0)
    found = {tuple(np.argwhere(shifted(pixels, rng)[..., 0] == pixels[10, 8, 0])[0] - (10, 8)) for _ in range(500)}
    assert found == {(y, x) for y in range(-SHIFT, SHIFT + 1) for x in range(-SHIFT, SHIFT + 1)}


def test_it_learns_what_it_sees() -> None:
    """Images of one colour each, told apart by every attribute."""
    torch.manual_seed(0)
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    pixels[1] = 255
    numbers = torch.tensor([[0] * 8, [1] * 8])
    config = replace(ATTRIBUTE_NETWORK, steps=200, batch_size=8, learning_rate=2e-2)
    network = fit(
        AttributeNetwork((8, 8, 8, 8)),
        batches(pixels, numbers, config),
        reading_loss,
        config,
        dtype=torch.float32,
    )
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1
    assert all(logits.argmax(1).tolist() == [0, 1] for logits in network(images))
