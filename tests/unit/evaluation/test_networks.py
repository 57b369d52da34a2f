from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cfld.evaluation.networks import load_networks
from cfld.metrics.networks import Backbone
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.weights import BACKBONE_FILES, INCEPTION_FILES
from support.metrics import random_network
from support.network import UNREACHABLE, proxies


@pytest.fixture(autouse=True)
def offline() -> Iterator[None]:
    with proxies(http=UNREACHABLE, https=UNREACHABLE):
        yield


def test_missing_weights_are_listed_by_metric(tmp_path: Path) -> None:
    networks = load_networks(PROTOCOLS["standard"], tmp_path)
    assert networks.inception is None
    assert networks.loaded == []
    titles = ("FID", "LPIPS", "LPIPS (VGG)")
    files = (INCEPTION_FILES["tensorflow"], BACKBONE_FILES["alex"], BACKBONE_FILES["vgg"])
    assert len(networks.missing) == 3
    for message, title, file in zip(networks.missing, titles, files, strict=True):
        assert message.startswith(f"{title} is omitted: {tmp_path / file.name} is missing")


def test_available_weights_are_loaded(tmp_path: Path) -> None:
    torch.save(random_network(Backbone("alex")).state_dict(), tmp_path / BACKBONE_FILES["alex"].name)
    networks = load_networks(PROTOCOLS["cfld"], tmp_path)
    assert list(networks.of_metrics) == ["lpips"]
    assert [loaded.file for loaded in networks.loaded] == [BACKBONE_FILES["alex"].name]
    assert len(networks.missing) == 1


def test_damaged_weights_are_an_error(tmp_path: Path) -> None:
    (tmp_path / INCEPTION_FILES["imagenet"].name).write_bytes(b"no weights")
    with pytest.raises(ValueError, match="not a plain file of weights"):
        load_networks(PROTOCOLS["cfld"], tmp_path)
