"""A small test set, and networks with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from cfld.data.folder import FolderDataset
from cfld.data.registry import open_dataset
from cfld.evaluation.networks import Networks
from cfld.mannequin.dataset import write_mannequin
from cfld.metrics.lpips import LPIPS, published_heads
from cfld.metrics.networks import Backbone, InceptionV3
from cfld.metrics.weights import Loaded
from support.metrics import SIZE, random_network


@pytest.fixture(scope="session")
def networks() -> Networks:
    """Random weights; 64 Inception features, so that FID is fast."""
    inception = nn.Sequential(random_network(InceptionV3("imagenet")), nn.Linear(2048, 64)).requires_grad_(False)
    alex = LPIPS(random_network(Backbone("alex")), published_heads("alex"))
    return Networks(
        inception=Loaded(inception, "inception.pth", "0" * 64, published=False),
        of_metrics={"lpips": Loaded(alex, "alex.pth", "1" * 64, published=False)},
    )


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test people in three poses; tests that change it copy it first."""
    root = tmp_path_factory.mktemp("data") / "mannequin"
    write_mannequin(root, identities=8, poses=3, seed=0, size=SIZE)
    return root


@pytest.fixture(scope="session")
def data(root: Path) -> FolderDataset:
    return open_dataset("mannequin", root, "test")
