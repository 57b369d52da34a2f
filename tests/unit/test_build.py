from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler

from cfld.build import (
    CONDITIONERS,
    Components,
    build_components,
    build_conditioner,
    build_scheduler,
    build_unet,
    check_model_folder,
    count_parameters,
    load_components,
)
from cfld.config.presets import tiny_model
from cfld.config.schema import SchedulerConfig
from cfld.models import hybrid_granularity_attention


def test_components_have_the_dimensions_of_the_configuration() -> None:
    model = tiny_model()
    components = build_components(model)
    assert components.conditioner.config.prompt_dim == components.unet.config.cross_attention_dim
    assert components.vae.config.latent_channels == components.unet.config.in_channels == model.unet.latent_channels
    assert type(components.scheduler) is DDPMScheduler
    assert hybrid_granularity_attention.is_installed(components.unet)


@pytest.mark.parametrize("name", [name for name in CONDITIONERS if "CLIP" not in name])
def test_conditioners_by_name(name: str) -> None:
    assert type(build_conditioner(tiny_model().conditioner, name)) is CONDITIONERS[name]


def test_channels_that_the_heads_do_not_divide_raise() -> None:
    with pytest.raises(ValueError, match=r"divisible by its 3 heads, got \d+"):
        build_unet(replace(tiny_model().unet, num_heads=3))


def test_the_scheduler_never_clips() -> None:
    scheduler = build_scheduler(SchedulerConfig(prediction_type="v_prediction"))
    assert scheduler.config.clip_sample is False
    assert scheduler.config.set_alpha_to_one is False
    assert scheduler.config.prediction_type == "v_prediction"


def test_parameter_counts_are_those_of_the_modules(components: Components) -> None:
    count = count_parameters(tiny_model())
    assert sum(parameter.numel() for parameter in components.unet.parameters()) == count.H_N
    conditioner = sum(parameter.numel() for parameter in components.conditioner.parameters())
    assert count.total_trainable - count.H_N_trainable == conditioner
    assert count_parameters(tiny_model(), "all").H_N_trainable == count.H_N


class TestModelFolder:
    @pytest.fixture
    def folder(self, model_folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(model_folder, tmp_path / "model"))

    def test_a_saved_model_is_complete(self, model_folder: Path) -> None:
        check_model_folder(model_folder)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("model_index.json", "no model_index.json"),
            ("unet/config.json", "unet/config.json is missing"),
            ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json is missing"),
            ("vae/diffusion_pytorch_model.safetensors", "no weights .* in vae"),
        ],
    )
    def test_missing_files_raise(self, folder: Path, path: str, message: str) -> None:
        (folder / path).unlink()
        with pytest.raises(ValueError, match=message):
            check_model_folder(folder)

    def test_an_index_without_a_component_raises(self, folder: Path) -> None:
        (folder / "model_index.json").write_text("{}")
        with pytest.raises(ValueError, match="no conditioner"):
            check_model_folder(folder)

    def test_given_components_are_kept_and_the_others_loaded(self, folder: Path, components: Components) -> None:
        options = load_components(folder, unet=components.unet, output_size=(1, 2))
        assert options["unet"] is components.unet
        assert options["output_size"] == (1, 2)
        assert set(options) == {"conditioner", "unet", "vae", "output_size"}

    def test_one_dtype_per_component(self, folder: Path) -> None:
        options = load_components(folder, {"default": torch.bfloat16, "vae": torch.float32})
        assert [options[name].dtype for name in ("conditioner", "vae")] == [torch.bfloat16, torch.float32]
