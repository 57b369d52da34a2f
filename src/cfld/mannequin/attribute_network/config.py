"""Configuration of a training run of the attribute network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cfld.ranges import Batch, Count, Identities, Poses, Range, Seed


@dataclass(frozen=True, kw_only=True)
class AttributeNetworkConfig:
    """One training run."""

    identities: Identities = 12000
    """Number of people, none of whom is in the test split."""
    poses: Poses = 2
    """Images of each person."""
    seed: Seed = 41
    """Random seed of the people, the initial weights and the shifts; no other preset has it."""
    steps: Count = 1000
    """Optimiser steps (Muon)."""
    batch_size: Batch = 64
    """Images per step."""
    learning_rate: Annotated[float, Range(0, 100)] = 4e-3
    """Peak learning rate; it falls linearly to zero over the second half of the run."""
