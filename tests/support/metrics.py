"""Networks of the metrics with random weights."""

from __future__ import annotations

import torch
from torch import nn

SIZE = (64, 44)
"""Of test images, the smallest that all protocols accept."""


def random_network(network: nn.Module) -> nn.Module:
    """Fills a network with random weights. With the default ones, Inception's features all but vanish."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()
