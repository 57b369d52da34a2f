"""Every shipped preset, found by walking."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
import torch
from diffusers import AutoencoderKL

from cfld.build import build_components, count_parameters
from cfld.cli import parse
from cfld.config.presets import PRESETS, get_preset
from cfld.config.schema import StageConfig
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
    count = count_parameters(config.model, getattr(config.stage, "unet_weights", "kv"))
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


def test_an_unknown_preset_is_an_error_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown preset 'deepfashion'; choose one of .*deepfashion-512"):
        get_preset("deepfashion")


@pytest.mark.parametrize("name", PRESETS)
def test_its_command_offers_the_options_of_its_own_stage_alone(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["train", name, "--help"])
    offered = set(re.findall(r"--config\.([\w-]+)", capsys.readouterr().out))
    for kind in StageConfig.__subclasses__():
        own = {field.name.replace("_", "-") for field in fields(kind)} - {"name"}
        if isinstance(PRESETS[name]().stage, kind):
            assert own <= offered
            others = offered - own
    for kind in StageConfig.__subclasses__():
        assert others.isdisjoint(field.name.replace("_", "-") for field in fields(kind))
