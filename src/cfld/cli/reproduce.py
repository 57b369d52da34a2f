"""`cfld reproduce`: tables 3 and 5 of the paper, at full size or on mannequins.

cfld reproduce table3 --scale mannequin --out runs/tables
cfld reproduce table5 --scale mannequin --out runs/tables
cfld reproduce table3 --scale deepfashion-256 --data data/deepfashion --init-from models/start --clip CLIP --out RUN
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from cfld.cli.options import Json


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Train the rows of a table with one budget, generate, score, and print them beside the paper's figures.

    table3: the ablations B1 to B5 and the method. table5: five guidance settings of the method's row. Both share one
    folder. Interrupted, the same command goes on where it stopped.
    """

    table: Positional[Literal["table3", "table5"]]
    """Which table."""
    out: Path
    """The folder of trainings, images and tables."""
    scale: Literal["mannequin", "deepfashion-256", "tiny"] = "mannequin"
    """mannequin: mannequins, hours on two cores. deepfashion-256: the paper's. tiny: seconds, no quality."""
    data: Path | None = None
    """deepfashion-256: the data set folder."""
    init_from: str | None = None
    """deepfashion-256: the model folder to start from (cfld convert)."""
    clip: str | None = None
    """A pretrained CLIP ViT-L/14 image encoder for B2, a folder or a hub id; on mannequins a random one trains."""
    max_steps: int | None = None
    """Steps of each training, in place of the preset's."""
    weights: Path | None = None
    """The folder with the weight files of the metrics' networks, for LPIPS and FID."""
    json: Json = False

    def run(self) -> None:
        import logging

        from cfld.reproduction.scales import SCALES
        from cfld.reproduction.tables import Options, reproduce_table3, reproduce_table5

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        options = Options(
            data=self.data, init_from=self.init_from, clip=self.clip, max_steps=self.max_steps, weights=self.weights
        )
        reproduce = {"table3": reproduce_table3, "table5": reproduce_table5}[self.table]
        results = reproduce(SCALES[self.scale], self.out, options)
        print(json.dumps(results.to_json(), indent=2) if self.json else results.to_markdown())
