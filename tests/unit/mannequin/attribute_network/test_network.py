"""What the network is asked to read, and how its readings are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cfld import mannequin
from cfld.mannequin.attribute_network.judge import Judgement, accuracy, frechet, judge
from cfld.mannequin.attribute_network.network import INPUT_SIZE, NOT_SEEN, ROLES, AttributeNetwork, targets
from cfld.mannequin.dataset import MannequinDataset
from cfld.mannequin.drawing.attributes import VALUES, view
from cfld.mannequin.networks import load_network, save_network

TINY = (4, 4, 4, 4)


@pytest.mark.parametrize("seed", range(8))
def test_targets_are_what_the_person_wears(seed: int) -> None:
    identity, pose = mannequin.sample_identity(seed), mannequin.sample_body_pose(seed)
    numbers = dict(zip(ROLES, targets(identity, pose), strict=True))
    assert VALUES["upper"][numbers["upper"]] == identity.upper.kind
    assert VALUES["lower pattern"][numbers["lower pattern"]] == identity.lower.texture.pattern
    seen = numbers["motif"] != NOT_SEEN
    assert seen == (view(pose) in ("front", "front left", "front right"))
    assert not seen or VALUES["motif"][numbers["motif"]] == identity.upper.chest.motif


def test_a_reading_has_every_value_of_every_attribute() -> None:
    logits = AttributeNetwork(TINY).eval()(torch.zeros(2, 3, *INPUT_SIZE))
    assert [tuple(one.shape) for one in logits] == [(2, len(VALUES[role])) for role in ROLES]


def test_what_is_not_seen_counts_for_nothing() -> None:
    numbers = np.array([[0, NOT_SEEN, NOT_SEEN], [1, 2, NOT_SEEN], [0, 1, NOT_SEEN]])
    judgement = Judgement(np.array([[0, 0, 0], [1, 2, 0], [1, 2, 0]]), np.zeros((3, 1), np.float32))
    np.testing.assert_array_equal(judgement.shares(numbers), [2 / 3, 0.5, np.nan])
    assert judgement.right(numbers) == (2 / 3 + 0.5) / 2


def test_images_are_judged_one_by_one_whatever_their_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_network(AttributeNetwork(TINY), tmp_path)
    network = load_network(AttributeNetwork, tmp_path)
    images = np.random.default_rng(0).random((34, 64, 44, 3), dtype=np.float32)
    together, alone = judge(images, network), judge(images[33:], network)
    np.testing.assert_allclose(together.features[33:], alone.features, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(together.values[33:], alone.values)
    assert together.values.shape == (34, len(ROLES))


def test_the_distance_of_images_to_themselves_is_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    assert abs(frechet(features, features[::-1])) < 1e-6
    np.testing.assert_allclose(frechet(features, features + np.array([3, 4, 0, 0])), 25, rtol=1e-4)
    assert np.isnan(frechet(features[:1], features))


def test_accuracy_is_a_share(tmp_path: Path) -> None:
    save_network(AttributeNetwork(TINY), tmp_path)
    dataset = MannequinDataset(identities=2, poses=2, split="test", size=INPUT_SIZE)
    assert all(0 <= share <= 1 for share in accuracy(tmp_path, dataset).values())
