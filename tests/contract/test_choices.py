"""Every choice that a registry knows: its rows are the configuration's choices, and an unknown name is an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import nn

from cfld.cli import parse
from cfld.config.choices import OPTIMIZERS
from cfld.config.presets import PRESETS
from cfld.config.recipes import Recipe
from cfld.config.schema import CFLDStageConfig, DataConfig, OptimConfig, SamplingConfig, StageConfig
from cfld.data.registry import DATASETS
from cfld.diffusion.schedulers import SCHEDULERS
from cfld.diffusion.timesteps import TIMESTEP_LAWS, sample_timesteps
from cfld.engines.base import ENGINES
from cfld.training.optim import make_optimizer
from cfld.training.stages import STAGES

T = 50


def choices(config: type[Any], field: str) -> list[str]:
    """The values that the field's type allows."""
    hint = get_type_hints(config)[field]
    literals = [option for option in get_args(hint) if get_args(option)] or [hint]
    return list(get_args(literals[0]))


@pytest.mark.parametrize(
    ("config", "field", "registry"),
    [
        (DataConfig, "kind", DATASETS),
        (SamplingConfig, "scheduler", SCHEDULERS),
        (CFLDStageConfig, "timestep_law", TIMESTEP_LAWS),
        (OptimConfig, "optimizer", OPTIMIZERS),
        (Recipe, "engine", ENGINES),
    ],
)
def test_the_choices_of_a_field_are_the_rows_of_its_registry(config: type[Any], field: str, registry: Any) -> None:
    assert choices(config, field) == list(registry)


@pytest.mark.parametrize(
    ("option", "registry"),
    [
        ("--config.data.kind", DATASETS),
        ("--config.timestep-law", TIMESTEP_LAWS),
        ("--config.optim.optimizer", OPTIMIZERS),
    ],
)
def test_the_help_lists_the_rows(option: str, registry: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", "tiny", "--help"])
    assert f"{option} {{{','.join(registry)}}}" in capsys.readouterr().out


def test_the_presets_are_the_subcommands_of_train(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", "--help"])
    assert f"{{{','.join(PRESETS)}}}" in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("law", TIMESTEP_LAWS)
def test_a_timestep_law_gives_every_kind_of_step(law: str) -> None:
    """Whole numbers from 0 to T - 1, small and large ones among them."""
    t = sample_timesteps(5000, T, law, generator=torch.Generator().manual_seed(0))
    assert t.dtype == torch.int64
    assert t.min() >= 0
    assert t.max() <= T - 1
    assert t.max() - t.min() > T // 2


def test_an_unknown_timestep_law_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown timestep law 'uniformm'; choose one of cubic, uniform"):
        sample_timesteps(2, T, "uniformm")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_trains_matrices_and_vectors(name: str) -> None:
    layer = nn.Linear(3, 4)
    before = {name: p.detach().clone() for name, p in layer.named_parameters()}
    optimizer = make_optimizer(dict(layer.named_parameters()), OptimConfig(optimizer=name))
    layer(torch.ones(2, 3)).square().sum().backward()
    optimizer.step()
    assert not any(torch.equal(p, before[name]) for name, p in layer.named_parameters())


def test_an_unknown_optimizer_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'sgd'; choose one of adam, muon"):
        make_optimizer({}, replace(OptimConfig(), optimizer="sgd"))


def test_every_stage_has_options_and_every_options_class_a_stage() -> None:
    assert list(STAGES) == [kind.name for kind in StageConfig.__subclasses__()]


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_has_a_preset(name: str) -> None:
    assert any(make().stage.name == name for make in PRESETS.values())
    assert callable(STAGES[name])
