"""Configuration of a training run of one of the small networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from cfld.ranges import Batch, Count, Identities, Poses, Range, Seed


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """One training run."""

    identities: Identities
    """Number of people, none of whom is in the test split."""
    poses: Poses = 2
    """Images of each person."""
    seed: Seed
    """Random seed of the people, the initial weights and the augmentation."""
    steps: Count
    """Optimiser steps (Muon)."""
    batch_size: Batch = 64
    """Images per step."""
    learning_rate: Annotated[float, Range(0, 100)] = 4e-3
    """Peak learning rate; it falls linearly to zero over the second half of the run."""


POSE_NETWORK: Final = NetworkConfig(identities=4000, seed=0, steps=2600)
"""That of the bundled pose network."""
ATTRIBUTE_NETWORK: Final = NetworkConfig(identities=12000, seed=41, steps=1000)
"""People of a seed that no preset has."""
