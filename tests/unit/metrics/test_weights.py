"""The metrics' weight files: the published ones; loaded, and refused when they are something else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from cfld.metrics.networks import Backbone
from cfld.metrics.weights import BACKBONE_FILES, INCEPTION_FILES, load_published, load_weights


def test_names_and_checks_are_the_published_ones() -> None:
    files = {**INCEPTION_FILES, **BACKBONE_FILES}
    prefixes = {kind: file.sha256 for kind, file in files.items()}
    assert prefixes == {"imagenet": "0cc3c7bd", "tensorflow": "6726825d", "alex": "7be5be79", "vgg": "397923af"}
    assert files["alex"].name == "alexnet-owt-7be5be79.pth"
    assert files["tensorflow"].name == "pt_inception-2015-12-05-6726825d.pth"


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    """A file as torchvision saves it: with the classifier that LPIPS has no use for."""
    state = {**Backbone("alex").state_dict(), "classifier.1.weight": torch.zeros(2, 2)}
    torch.save(state, tmp_path / BACKBONE_FILES["alex"].name)
    return tmp_path / BACKBONE_FILES["alex"].name


def test_another_file_of_that_name_is_loaded_and_marked_as_unpublished(alexnet: Path) -> None:
    network = Backbone("alex")
    loaded = load_published(network, network, BACKBONE_FILES["alex"], alexnet.parent)
    assert not loaded.published
    assert loaded.sha256 == hashlib.sha256(alexnet.read_bytes()).hexdigest()
    assert not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
    state = torch.load(alexnet)
    assert all(torch.equal(state[name], value) for name, value in loaded.network.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut"])
def test_a_file_that_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.pth: not a(n archive| plain file)"):
        load_weights(Backbone("alex"), tmp_path / "x.pth")


def test_a_file_of_another_network(alexnet: Path) -> None:
    with pytest.raises(
        ValueError, match=r"alexnet-owt-7be5be79\.pth: not the weights of Backbone .* Missing key.* \"features\.\d"
    ):
        load_weights(Backbone("vgg"), alexnet)


def test_a_list_is_no_state(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "x.pth")
    with pytest.raises(ValueError, match="not the weights of Backbone"):
        load_weights(Backbone("alex"), tmp_path / "x.pth")
