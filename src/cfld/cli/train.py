"""`cfld train`: train a preset, or resume a run.

cfld train tiny --out runs/tiny
cfld train deepfashion-256 --out runs/df --config.data.root data/deepfashion --config.init-from models/start
torchrun --nproc_per_node 8 -m cfld train deepfashion-256 --out runs/df --config.data.root data/deepfashion
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from cfld.claims import Output
from cfld.config.presets import PRESETS
from cfld.config.schema import TrainConfig


@dataclass(frozen=True, kw_only=True)
class TrainRun:
    """A preset with fields overridden on the command line."""

    out: Annotated[Path, Output(claimed=False)]
    """The run directory: checkpoints, logs, sample images, and at the end the model. The same command again resumes
    from the newest checkpoint; SIGTERM saves a checkpoint and the model and ends."""
    config: TrainConfig
    """The preset's fields, each of which can be overridden."""

    def run(self) -> None:
        import logging

        from cfld.training.loop import train

        logging.basicConfig(level=logging.INFO, format="%(message)s")
        print(train(self.config, self.out).out / "model")


Train: Any = tyro.extras.subcommand_type_from_defaults(
    {name: TrainRun(out=tyro.MISSING, config=make()) for name, make in PRESETS.items()},
    descriptions={name: inspect.getdoc(make) or "" for name, make in PRESETS.items()},
)
"""One subcommand per preset, with the preset's docstring as its help."""
