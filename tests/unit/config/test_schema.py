from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from cfld.config.presets import get_preset, tiny
from cfld.config.schema import TrainConfig, VAEConfig, VAEStageConfig


def test_configurations_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        get_preset("tiny").seed = 1  # type: ignore[misc]


def test_the_paper_s_configuration_is_valid() -> None:
    TrainConfig().check()


def test_with_stage_changes_the_stage_s_options_alone() -> None:
    changed = tiny().with_stage(flip=0.25)
    assert changed.stage == replace(tiny().stage, flip=0.25)
    assert replace(changed, stage=tiny().stage) == tiny()
    with pytest.raises(TypeError, match="crop"):
        tiny().with_stage(crop=32)


@pytest.mark.parametrize("name", ["batch_size", "accumulation", "max_steps"])
def test_lengths_below_one_are_invalid(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*1.*, got 0"):
        replace(tiny(), **{name: 0}).check()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_zero_to_one_is_invalid(decay: float) -> None:
    with pytest.raises(ValueError, match=f"ema_decay must be at least 0 and below 1, got {decay}"):
        replace(tiny(), ema_decay=decay).check()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"condition_dropout": 3.0}, "condition_dropout must be between 0 and 1, got 3.0"),
        ({"reconstruction_share": -0.1}, "reconstruction_share must be between 0 and 1"),
        ({"flip": float("nan")}, "flip must be between 0 and 1, got nan"),
        ({"dream_detail_preservation": float("inf")}, "dream_detail_preservation must be at least 0, got inf"),
    ],
)
def test_options_of_the_method_out_of_range(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().with_stage(**option).check()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"crop": 20}, "divisible by 8 and at most 64 pixels wide, got 20"),
        ({"crop": 0}, "got 0"),
        ({"crop": 32, "loss_resolution": "output"}, "set crop to None, got 32"),
        ({"latent_noise": -1.0}, "latent_noise must be at least 0, got -1.0"),
    ],
)
def test_options_of_the_autoencoder_out_of_range(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(tiny(), stage=VAEStageConfig(**option)).check()


def test_the_vae_s_images_must_fit_the_source_encoder() -> None:
    model = replace(tiny().model, vae=replace(tiny().model.vae, sample_size=128))
    with pytest.raises(ValueError, match=r"model.vae.sample_size must be 64 to fit the source encoder, got 128"):
        replace(tiny(), model=model).check()


def test_the_vae_s_downscale_is_a_factor_of_two_per_level() -> None:
    assert VAEConfig().downscale == 8
    assert VAEConfig(block_out_channels=(8, 8)).downscale == 2
