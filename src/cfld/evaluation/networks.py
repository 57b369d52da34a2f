"""The networks that a protocol compares images by, as far as their weights are to be had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from cfld.metrics.protocols import Protocol, lpips_name
from cfld.metrics.weights import Loaded, load_inception, load_lpips


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks of a protocol, as far as their weights are to be had.

    Attributes:
        inception: of FID; None = not there.
        lpips: by the figure's name; those that are there.
        missing: a line for each network that is not there: which file to put where.
    """

    inception: Loaded | None = None
    lpips: Mapping[str, Loaded] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def loaded(self) -> list[Loaded]:
        return [*([self.inception] if self.inception else []), *self.lpips.values()]


def open_networks(protocol: Protocol, folder: Path | None = None, device: torch.device | str = "cpu") -> Networks:
    """Loads what a protocol needs.

    Args:
        folder: of weight files; none = where torch's hub keeps them. What is not there is downloaded.

    Raises:
        ValueError: for a weight file that is there and is damaged.
    """
    missing: list[str] = []
    inception = None
    backbones: dict[str, Loaded] = {}
    try:
        inception = load_inception(protocol.inception, folder)
    except FileNotFoundError as error:
        missing.append(f"FID left out: {error}")
    for kind in protocol.lpips:
        try:
            backbones[lpips_name(kind)] = load_lpips(kind, folder)
        except FileNotFoundError as error:
            missing.append(f"LPIPS ({kind}) left out: {error}")
    networks = Networks(inception=inception, lpips=backbones, missing=tuple(missing))
    for loaded in networks.loaded:
        loaded.network.to(device)
    return networks
