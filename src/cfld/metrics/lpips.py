"""Learned perceptual image patch similarity (Zhang et al., 2018), version 0.1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from cfld.metrics.base import NetworkMetric
from cfld.metrics.networks import Backbone
from cfld.metrics.protocols import BackboneKind, Protocol
from cfld.metrics.weights import BACKBONE_FILES, Loaded, load_published
from cfld.readers.tensors import load_pickle


class LPIPS(nn.Module):
    """Distance of two images: weighted squared differences of the unit-length activations of five layers."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Backbone, heads: Mapping[str, Tensor]) -> None:
        """
        Args:
            heads: the published linear layers, `lin{i}.model.1.weight` (1, C, 1, 1) for each of the five layers.
        """
        super().__init__()
        self.backbone = backbone
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1))
        for i in range(len(backbone.channels)):
            self.register_buffer(f"head{i}", heads[f"lin{i}.model.1.weight"])

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two (B, 3, H, W) in [-1, 1] -> (B,)."""
        pairs = zip(self._activations(a), self._activations(b), strict=True)
        layers = [((f_a - f_b) ** 2 * self.get_buffer(f"head{i}")).sum(dim=1) for i, (f_a, f_b) in enumerate(pairs)]
        return torch.stack([layer.mean(dim=(1, 2)) for layer in layers]).sum(dim=0)

    def _activations(self, images: Tensor) -> list[Tensor]:
        """Each (B, C, h, w), of length one along C."""
        activations = self.backbone((images - self.shift) / self.scale)
        return [f / (f.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for f in activations]


def published_heads(kind: BackboneKind) -> dict[str, Tensor]:
    """Returns the linear layers of version 0.1, which torchmetrics ships."""
    file = distribution("torchmetrics").locate_file(f"torchmetrics/functional/image/lpips_models/{kind}.pth")
    heads: dict[str, Tensor] = load_pickle(str(file))
    return heads


def load_lpips(kind: BackboneKind, folder: Path | None = None) -> Loaded:
    """Loads LPIPS with the published backbone and heads; arguments and errors as `weights.load_published`."""
    backbone = Backbone(kind)
    return load_published(LPIPS(backbone, published_heads(kind)), backbone, BACKBONE_FILES[kind], folder)


def _metric(kind: BackboneKind, title: str) -> NetworkMetric:
    return NetworkMetric(
        title=title,
        higher_is_better=False,
        in_protocol=lambda protocol: kind in protocol.lpips,
        load=partial(load_lpips, kind),
        compute=_compare,
    )


def _compare(network: nn.Module, truth: Tensor, prediction: Tensor, protocol: Protocol) -> Tensor:
    if not protocol.lpips_zero_one:
        truth, prediction = 2 * truth - 1, 2 * prediction - 1
    return network(truth, prediction)


LPIPS_ALEX: Final = _metric("alex", "LPIPS")
LPIPS_VGG: Final = _metric("vgg", "LPIPS (VGG)")
