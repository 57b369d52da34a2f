"""`cfld reproduce`: tables 3 and 5 of the paper, on DeepFashion or on mannequins, and an experiment on its future work.

cfld reproduce table3 --scale mannequin --out runs/tables
cfld reproduce table5 --scale mannequin --out runs/tables
cfld reproduce reid --scale mannequin --out runs/reid
cfld reproduce table3 --scale deepfashion-256 --data data/deepfashion --init-from models/start --clip CLIP --out RUN
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tyro.conf import Positional

from cfld.claims import Input, Output
from cfld.cli.options import Json, MetricWeights, option
from cfld.ranges import Count
from cfld.reproduction.rows import TABLES
from cfld.reproduction.scales import SCALES

if TYPE_CHECKING:
    TableName: TypeAlias = str
    ScaleName: TypeAlias = str
else:
    TableName = Literal[tuple(TABLES)]
    ScaleName = Literal[tuple(SCALES)]


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Train the rows of a table with the same budget, generate, score, and print the figures beside the paper's.

    Both tables may share a folder. After an interruption, the same command continues.
    """

    table: Positional[TableName]
    """table3: the ablations B1 to B5 and the method. table5: the method at five guidance settings. reid: a network that
    recognises people, without and with generated training images, from random weights and from H_S."""
    out: Annotated[Path, Output(entries=("table*.md", "table*.json", "reid*"))]
    """Folder of trainings, images and tables."""
    scale: ScaleName = "mannequin"
    """mannequin: synthetic people, hours on two cores. deepfashion-256: the paper's. tiny: takes seconds, for tests."""
    data: Annotated[Path | None, option("deepfashion-256: data set folder.", "none")] = None
    init_from: Annotated[
        str | None,
        Input(),
        option("deepfashion-256: model folder to start from (see cfld convert). reid: the model.", "none"),
    ] = None
    clip: Annotated[
        str | None,
        Input(),
        option(
            "Pretrained CLIP ViT-L/14 image encoder for B2, a folder in transformers layout or a hub id. Required by "
            "deepfashion-256.",
            "train a random one",
        ),
    ] = None
    max_steps: Annotated[Count | None, option("Steps of each training.", "the preset's")] = None
    weights: MetricWeights = None
    json: Json = False

    def run(self) -> None:
        import logging

        from cfld.reproduction.tables import Options

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        options = Options(
            data=self.data, init_from=self.init_from, clip=self.clip, max_steps=self.max_steps, weights=self.weights
        )
        results = TABLES[self.table](SCALES[self.scale], self.out, options)
        print(json.dumps(results.to_json(), indent=2) if self.json else results.to_markdown())
