"""Types of the options whose choices a registry knows: a new row there is a new choice here, without its import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from cfld.data.registry import DATASETS
from cfld.diffusion.schedulers import SCHEDULERS
from cfld.diffusion.timesteps import TIMESTEP_LAWS
from cfld.registry import Registry

OPTIMIZERS: Final[Registry[Any]] = Registry(
    "optimizer", {"adam": "cfld.training.optim:adam", "muon": "cfld.training.optim:Muon"}
)
"""Name -> called with the named parameters and an `OptimConfig`, returns a torch optimiser."""

if TYPE_CHECKING:
    DatasetKind: TypeAlias = str
    SchedulerName: TypeAlias = str
    TimestepLaw: TypeAlias = str
    OptimizerName: TypeAlias = str
else:
    DatasetKind = Literal[tuple(DATASETS)]
    SchedulerName = Literal[tuple(SCHEDULERS)]
    TimestepLaw = Literal[tuple(TIMESTEP_LAWS)]
    OptimizerName = Literal[tuple(OPTIMIZERS)]
