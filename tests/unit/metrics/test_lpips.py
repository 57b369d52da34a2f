from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cfld.metrics.lpips import LPIPS, LPIPS_ALEX, LPIPS_VGG, load_lpips, published_heads
from cfld.metrics.networks import Backbone
from cfld.metrics.protocols import PROTOCOLS, BackboneKind
from cfld.metrics.weights import BACKBONE_FILES


@pytest.fixture
def alexnet(tmp_path: Path) -> Path:
    """A folder with a file of AlexNet, with random weights."""
    torch.manual_seed(0)
    torch.save(Backbone("alex").state_dict(), tmp_path / BACKBONE_FILES["alex"].name)
    return tmp_path


def test_it_is_zero_for_equal_images_and_positive_for_others(alexnet: Path) -> None:
    network = load_lpips("alex", alexnet).network
    a, b = torch.rand(2, 3, 3, 40, 40)
    assert network(a, b).shape == (3,)
    assert (network(a, a) == 0).all()
    assert (network(a, b) > 0).all()
    torch.testing.assert_close(network(a, b), network(b, a))


@pytest.mark.parametrize("kind", ["alex", "vgg"])
def test_the_published_heads_fit_the_backbone(kind: BackboneKind) -> None:
    heads = published_heads(kind)
    assert all(weight.min() >= 0 for weight in heads.values())
    with torch.device("meta"):
        network = LPIPS(Backbone(kind), heads)
    assert [network.get_buffer(f"head{i}").shape[1] for i in range(5)] == list(network.backbone.channels)


def test_pcdms_passes_values_in_zero_to_one(alexnet: Path) -> None:
    network = LPIPS_ALEX.load(alexnet).network
    a, b = torch.rand(2, 3, 3, 40, 40)
    pcdms, cfld = (LPIPS_ALEX.compute(network, a, b, PROTOCOLS[name]) for name in ("pcdms", "cfld"))
    assert torch.equal(pcdms, network(a, b))
    assert torch.equal(cfld, network(2 * a - 1, 2 * b - 1))


def test_only_standard_has_vgg() -> None:
    assert all(LPIPS_ALEX.in_protocol(protocol) for protocol in PROTOCOLS.values())
    assert [name for name, protocol in PROTOCOLS.items() if LPIPS_VGG.in_protocol(protocol)] == ["standard"]
