from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from cfld.metrics.networks import Backbone, InceptionV3, Mixed


@pytest.fixture(scope="module")
def networks() -> dict[str, InceptionV3]:
    torch.manual_seed(0)
    imagenet = InceptionV3("imagenet").eval()
    for module in imagenet.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)  # the default's features all but vanish
    tensorflow = InceptionV3("tensorflow").eval()
    tensorflow.load_state_dict(imagenet.state_dict())
    return {"imagenet": imagenet, "tensorflow": tensorflow}


def test_inception_has_its_published_parts(networks: dict[str, InceptionV3]) -> None:
    """94 convolutions, 21.8 million weights before auxiliary head and classifier, names as torchvision's."""
    network = networks["imagenet"]
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 94
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_785_568
    keys = network.state_dict()
    assert {"Mixed_7c.branch3x3dbl_3b.conv.weight", "Mixed_6a.branch3x3.bn.running_var"} < keys.keys()
    assert all(re.fullmatch(r"(Conv2d|Mixed)_\w+(\.branch\w+)?\.(conv|bn)\.\w+", key) for key in keys)


def test_the_tensorflow_port_pools_without_the_padding(networks: dict[str, InceptionV3]) -> None:
    pools = {name: block.pool for name, block in networks["tensorflow"].named_modules() if isinstance(block, Mixed)}
    averages = [name for name, pool in pools.items() if isinstance(pool, nn.AvgPool2d)]
    assert averages == [*(f"Mixed_5{x}" for x in "bcd"), *(f"Mixed_6{x}" for x in "bcde"), "Mixed_7b"]
    assert not any(pools[name].count_include_pad for name in averages)
    assert isinstance(pools["Mixed_7c"], nn.MaxPool2d)
    assert pools["Mixed_7c"].stride == 1
    assert isinstance(networks["imagenet"].get_submodule("Mixed_7c").pool, nn.AvgPool2d)


@torch.no_grad()
def test_features(networks: dict[str, InceptionV3]) -> None:
    images = torch.rand(2, 3, 40, 33, generator=torch.Generator().manual_seed(0))
    features = {kind: network(images) for kind, network in networks.items()}
    assert all(f.shape == (2, 2048) and (f >= 0).all() for f in features.values())
    assert (features["imagenet"] - features["tensorflow"]).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "channels"), [("alex", (64, 192, 384, 256, 256)), ("vgg", (64, 128, 256, 512, 512))])
def test_backbones(kind: str, channels: tuple[int, ...]) -> None:
    backbone = Backbone(kind)
    assert backbone.channels == channels
    activations = backbone(torch.rand(1, 3, 64, 44))
    assert tuple(a.shape[1] for a in activations) == channels
    assert all((a >= 0).all() for a in activations)
