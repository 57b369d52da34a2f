"""`cfld pose-net`: the small pose network of mannequins.

cfld pose-net train --out runs/pose-net
cfld pose-net test --identities 100 --poses 8 --seed 1
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, subcommand

from cfld.claims import Output
from cfld.cli.options import Json
from cfld.mannequin.network_config import POSE_NETWORK, NetworkConfig
from cfld.ranges import Identities, Poses, Seed


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train the network on mannequins. The defaults are those of the bundled network: about 20 minutes on one core."""

    out: Annotated[Path, Output(entries=("network", "pictures-*.npy", "digests.jsonl"))]
    """The folder to write: the training images, which later runs reuse, and the network in network/."""
    config: OmitArgPrefixes[NetworkConfig] = field(default_factory=lambda: POSE_NETWORK)
    """The training images and the optimisation."""

    def run(self) -> None:
        from cfld.mannequin.pose_network.training import train_pose_network

        print(train_pose_network(self.config, self.out))


@dataclass(frozen=True, kw_only=True)
class Test:
    """Measure the accuracy of the network on mannequins of the test split."""

    model: Path | None = None
    """Folder of a network that `cfld pose-net train` wrote (default: the bundled one)."""
    identities: Identities = 100
    """Number of people."""
    poses: Poses = 8
    """Images of each person."""
    seed: Seed = 0
    """Random seed of the people and their poses."""
    json: Json = False

    def run(self) -> None:
        from cfld.evaluation.keypoint_accuracy import keypoint_accuracy
        from cfld.mannequin.dataset import MannequinDataset
        from cfld.mannequin.pose_network.detector import BUNDLED, MannequinDetector
        from cfld.poses.people import CONFIDENCE

        detector = MannequinDetector(self.model or BUNDLED, CONFIDENCE)
        dataset = MannequinDataset(identities=self.identities, poses=self.poses, seed=self.seed, split="test")
        figures = vars(keypoint_accuracy(detector, dataset))
        print(json.dumps(figures) if self.json else "\n".join(f"{k:<12} {v:.4g}" for k, v in figures.items()))


PoseNet = Annotated[
    Train | Test,
    subcommand("pose-net", description="Train or test the network that finds the joints of mannequins."),
]
