"""The networks of a protocol's metrics, as far as their weights are available."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cfld.metrics.base import NetworkMetric
from cfld.metrics.fid import FID
from cfld.metrics.protocols import Protocol
from cfld.metrics.registry import METRICS
from cfld.metrics.weights import Loaded, load_inception


@dataclass(frozen=True, kw_only=True)
class Networks:
    """
    Attributes:
        inception: of FID; None if not available.
        of_metrics: network by name of the metric; those that are available.
        missing: for each missing network a sentence that says which file to put where.
    """

    inception: Loaded | None = None
    of_metrics: Mapping[str, Loaded] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def loaded(self) -> list[Loaded]:
        return [*([self.inception] if self.inception else []), *self.of_metrics.values()]


def load_networks(protocol: Protocol, folder: Path | None = None, device: torch.device | str = "cpu") -> Networks:
    """Loads the networks of a protocol.

    Args:
        folder: of the weight files; None = torch.hub's. Missing files are downloaded.

    Raises:
        ValueError: if a weight file is damaged.
    """
    missing: list[str] = []
    inception = None
    of_metrics: dict[str, Loaded] = {}
    try:
        inception = load_inception(protocol.inception, folder)
    except FileNotFoundError as error:
        missing.append(f"{FID.title} is omitted: {error}")
    for name, metric in METRICS.items():
        if isinstance(metric, NetworkMetric) and metric.in_protocol(protocol):
            try:
                of_metrics[name] = metric.load(folder)
            except FileNotFoundError as error:
                missing.append(f"{metric.title} is omitted: {error}")
    networks = Networks(inception=inception, of_metrics=of_metrics, missing=tuple(missing))
    for loaded in networks.loaded:
        loaded.network.to(device)
    return networks
