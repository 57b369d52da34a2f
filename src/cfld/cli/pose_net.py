"""`cfld keypoints`: the small network that finds the joints of mannequins.

cfld keypoints train --out runs/keypoints
cfld keypoints test --identities 100 --poses 8 --seed 1
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, subcommand

from cfld.cli.options import Json
from cfld.mannequin.pose_network.config import PoseNetworkConfig


@dataclass(frozen=True, kw_only=True)
class TrainKeypoints:
    """Draw people and train the network on them; about 20 minutes of one core with the defaults, the bundled one's."""

    out: Path
    """The folder to write: the drawn images, kept for the next time, and the network in network/."""
    config: OmitArgPrefixes[PoseNetworkConfig] = field(default_factory=PoseNetworkConfig)
    """On whom, and how long."""

    def run(self) -> None:
        from cfld.mannequin.pose_network.training import train_keypoints

        print(train_keypoints(self.config, self.out))


@dataclass(frozen=True, kw_only=True)
class MeasureKeypoints:
    """Measure the network on mannequins whom it was not trained on."""

    model: Path | None = None
    """A network's folder; by default the bundled one."""
    identities: int = 100
    """People of the test split."""
    poses: int = 8
    """Images of each."""
    seed: int = 0
    """Another seed is other people."""
    json: Json = False

    def run(self) -> None:
        import json

        from cfld.evaluation.keypoint_accuracy import keypoint_accuracy
        from cfld.mannequin.dataset import MannequinDataset
        from cfld.mannequin.pose_network.detector import BUNDLED, MannequinDetector
        from cfld.poses.formats import CONFIDENCE

        detector = MannequinDetector(self.model or BUNDLED, CONFIDENCE)
        dataset = MannequinDataset(identities=self.identities, poses=self.poses, seed=self.seed, split="test")
        accuracy = keypoint_accuracy(detector, dataset)
        if self.json:
            print(json.dumps(vars(accuracy)))
        else:
            print("\n".join(f"{name:<12} {value:.4g}" for name, value in vars(accuracy).items()))


Keypoints = Annotated[
    Annotated[TrainKeypoints, subcommand("train")] | Annotated[MeasureKeypoints, subcommand("test")],
    subcommand("keypoints", description="Train and test the network that finds the joints of mannequins."),
]
