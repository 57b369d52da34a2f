"""Configuration of the small network that finds the joints of mannequins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PoseNetworkConfig:
    """One run; the bundled network's are the defaults: 20 minutes of one core."""

    identities: int = 4000
    """People, none of whom is in the test split."""
    poses: int = 2
    """Images of each."""
    seed: int = 0
    """Draws the people and all that is random."""
    steps: int = 2600
    """Optimiser steps, by Muon."""
    batch_size: int = 64
    """Windows of images a step."""
    learning_rate: float = 4e-3
    """At its highest; it falls to nothing over the second half."""
