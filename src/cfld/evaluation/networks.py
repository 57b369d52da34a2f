"""The networks of a protocol's metrics, as far as their weights are available."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from cfld.metrics.base import NetworkMetric
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
    loaders = {"fid": partial(load_inception, protocol.inception)} | {
        name: metric.load
        for name, metric in METRICS.items()
        if isinstance(metric, NetworkMetric) and metric.in_protocol(protocol)
    }
    networks: dict[str, Loaded] = {}
    missing: list[str] = []
    for name, load in loaders.items():
        try:
            networks[name] = load(folder)
            networks[name].network.to(device)
        except FileNotFoundError as error:
            missing.append(f"{METRICS[name].title} is omitted: {error}")
    return Networks(inception=networks.pop("fid", None), of_metrics=networks, missing=tuple(missing))
