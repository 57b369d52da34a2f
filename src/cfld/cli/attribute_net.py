"""`cfld attribute-net`: the small network that reads what mannequins wear.

cfld attribute-net train --out runs/attribute-net
cfld attribute-net test --identities 100 --poses 8 --seed 1
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, subcommand

from cfld.claims import Output
from cfld.cli.options import Json, option
from cfld.mannequin.network_config import ATTRIBUTE_NETWORK, NetworkConfig
from cfld.ranges import Identities, Poses, Seed


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train the network on mannequins. About 35 minutes on one core."""

    out: Annotated[Path, Output(entries=("network", "images.npy", "digests.jsonl"))]
    """The folder to write: the training images, which later runs reuse, and the network in network/."""
    config: OmitArgPrefixes[NetworkConfig] = field(default_factory=lambda: ATTRIBUTE_NETWORK)
    """The training images and the optimisation."""

    def run(self) -> None:
        from cfld.mannequin.attribute_network.training import train_attribute_network

        print(train_attribute_network(self.config, self.out))


@dataclass(frozen=True, kw_only=True)
class Test:
    """Measure how often the network reads each attribute right, on mannequins of the test split."""

    model: Annotated[
        Path | None, option("Folder of a network that `cfld attribute-net train` wrote.", "the bundled one")
    ] = None
    identities: Identities = 100
    """Number of people."""
    poses: Poses = 8
    """Images of each person."""
    seed: Seed = 0
    """Random seed of the people and their poses."""
    json: Json = False

    def run(self) -> None:
        from cfld.mannequin.attribute_network.judge import accuracy
        from cfld.mannequin.attribute_network.network import BUNDLED, INPUT_SIZE
        from cfld.mannequin.dataset import MannequinDataset

        dataset = MannequinDataset(
            identities=self.identities, poses=self.poses, seed=self.seed, split="test", size=INPUT_SIZE
        )
        figures = accuracy(self.model or BUNDLED, dataset)
        print(json.dumps(figures) if self.json else "\n".join(f"{k:<16} {v:.3f}" for k, v in figures.items()))


AttributeNet = Annotated[
    Train | Test,
    subcommand("attribute-net", description="Train or test the network that reads what mannequins wear."),
]
