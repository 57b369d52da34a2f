"""Configuration of a training run of the pose network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PoseNetworkConfig:
    """One training run; the defaults are those of the bundled network."""

    identities: int = 4000
    """Number of people, none of whom is in the test split."""
    poses: int = 2
    """Images of each person."""
    seed: int = 0
    """Random seed of the people, the initial weights and the augmentation."""
    steps: int = 2600
    """Optimiser steps (Muon)."""
    batch_size: int = 64
    """Image crops per step."""
    learning_rate: float = 4e-3
    """Peak learning rate; it falls linearly to zero over the second half of the run."""
