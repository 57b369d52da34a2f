from dataclasses import replace

import pytest

from cfld.config.presets import tiny
from cfld.config.schema import DataConfig, TrainConfig


@pytest.fixture(autouse=True)
def always_a_fresh_accelerator(fresh_accelerator: None) -> None:
    """For every test of training."""


@pytest.fixture
def config() -> TrainConfig:
    """The smallest run: two people in two poses, no tracker."""
    data = DataConfig(kind="mannequin", identities=2, poses=2, workers=0)
    return replace(tiny(), data=data, max_steps=2, log_with=("none",))
