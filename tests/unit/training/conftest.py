from collections.abc import Iterator
from dataclasses import replace

import pytest
from accelerate.state import AcceleratorState

from cfld.config.presets import tiny
from cfld.config.schema import DataConfig, TrainConfig


@pytest.fixture(autouse=True)
def fresh_accelerator() -> Iterator[None]:
    """accelerate keeps a process's first precision for all later ones."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def config() -> TrainConfig:
    """The smallest run: two people in two poses, no tracker."""
    data = DataConfig(kind="mannequin", identities=2, poses=2, workers=0)
    return replace(tiny(), data=data, max_steps=2, log_with=("none",))
