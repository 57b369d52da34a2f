from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfld.config.presets import tiny
from cfld.config.schema import DataConfig, TrainConfig
from cfld.data.base import image_digests
from cfld.training.batches import open_data
from cfld.training.setup import initial_components, make_accelerator
from cfld.training.stages import STAGES, StageContext


@pytest.fixture(autouse=True)
def always_a_fresh_accelerator(fresh_accelerator: None) -> None:
    """For every test of training."""


@pytest.fixture
def config() -> TrainConfig:
    """The smallest run: two people in two poses, no tracker."""
    data = DataConfig(kind="mannequin", identities=2, poses=2, workers=0)
    return replace(tiny(), data=data, max_steps=2, log_with=("none",))


@pytest.fixture
def make_stage(tmp_path: Path) -> Callable[[TrainConfig], Any]:
    """Builds the configured stage as `training.setup` does."""

    def make(config: TrainConfig) -> Any:
        data = open_data(config.data, "train", config.model.output_size)
        context = StageContext(
            config=config,
            out=tmp_path,
            accelerator=make_accelerator(config, tmp_path),
            data=data,
            components=initial_components(config),
            digests=image_digests(data, data.names),
        )
        stage = STAGES[config.stage.name](context)
        context.fill_caches()
        return stage

    return make
