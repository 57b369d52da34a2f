"""Every shipped preset, found by walking."""

from __future__ import annotations

import re
from typing import get_args

import pytest
import torch
from diffusers import AutoencoderKL

from cfld.build import build_components, count_parameters
from cfld.cli import parse
from cfld.config.presets import PRESETS
from cfld.pipeline import CFLDPipeline


@pytest.mark.parametrize("name", PRESETS)
def test_it_builds_and_its_parts_fit_together(name: str) -> None:
    model = PRESETS[name]().model
    with torch.device("meta"):
        parts = build_components(model)
        CFLDPipeline(**vars(parts), output_size=model.output_size)
    reduction = 2 ** (len(parts.vae.config.block_out_channels) - 1)
    assert isinstance(parts.vae, AutoencoderKL)
    assert parts.conditioner.latent_size == (model.unet.sample_size,) * 2
    assert model.vae.sample_size == model.unet.sample_size * reduction


@pytest.mark.parametrize("name", PRESETS)
def test_its_trainable_weights_are_there(name: str) -> None:
    config = PRESETS[name]()
    count = count_parameters(config.model, config.unet_weights)
    assert 0 < count.H_N_trainable <= count.H_N


@pytest.mark.parametrize("name", PRESETS)
def test_its_docstring_names_a_command_that_parses(name: str) -> None:
    doc = PRESETS[name].__doc__ or ""
    commands = re.findall(r"`(?:torchrun --nproc_per_node \d+ -m )?cfld (train [^`]+)`", doc)
    assert commands, f"{name}: no command in its docstring"
    for command in commands:
        parsed = parse(command.split())
        assert parsed.config.model == PRESETS[name]().model
        assert command.split()[1] == name or len(commands) > 1


def test_literals_of_the_configuration_are_those_of_the_code() -> None:
    from typing import get_type_hints

    from cfld.config.schema import TrainConfig
    from cfld.diffusion.timesteps import TimestepLaw

    hints = get_type_hints(TrainConfig)
    for field, literal in {
        "timestep_law": TimestepLaw,
    }.items():
        assert get_args(hints[field]) == get_args(literal)
