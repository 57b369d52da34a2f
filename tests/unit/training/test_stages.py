from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from cfld.config.schema import TrainConfig
from cfld.models.unet import freeze_except
from cfld.training.run import make_accelerator
from cfld.training.stages import CFLDStage, VAEStage, scaling_factor, sources_then_targets, spread


@pytest.fixture
def accelerator(config: TrainConfig, tmp_path: Path) -> Accelerator:
    return make_accelerator(config, tmp_path)


def test_cached_and_fresh_latents_have_one_distribution(
    config: TrainConfig, tmp_path: Path, accelerator: Accelerator
) -> None:
    """Same seed, same draw: they differ by the rounding to float16 alone."""
    latents = []
    for cached in (True, False):
        stage = CFLDStage(replace(config, latent_cache=cached), tmp_path, accelerator)
        batch = torch.utils.data.default_collate([stage.samples[0, 0], stage.samples[0, 3]])
        torch.manual_seed(0)
        latents.append(stage.inputs(batch)["latents"])
    assert latents[0].shape == (4, 4, 8, 8)
    torch.testing.assert_close(latents[0], latents[1], rtol=1e-3, atol=1e-3)


def test_sources_come_first_then_targets() -> None:
    pairs = torch.tensor([[[1], [-1]], [[2], [-2]]])
    assert sources_then_targets(pairs).flatten().tolist() == [1, 2, -1, -2]


@pytest.mark.parametrize("weights", ["kv", "qkv", "all"])
def test_what_of_the_unet_trains(config: TrainConfig, tmp_path: Path, accelerator: Accelerator, weights: str) -> None:
    stage = CFLDStage(replace(config, unet_weights=weights), tmp_path, accelerator)  # type: ignore[arg-type]
    trained = {name for name, p in stage.objective.named_parameters() if p.requires_grad}
    unet = {name.removeprefix("unet.") for name in trained if name.startswith("unet.")}
    assert unet == set(freeze_except(stage.parts.unet, weights))  # type: ignore[arg-type]
    assert {name for name in trained if name.startswith("conditioner.")} == {
        f"conditioner.{name}" for name, _ in stage.parts.conditioner.named_parameters()
    }
    assert not any(name.startswith("vae.") for name in trained)
    everything = sum(1 for part in vars(stage.parts).values() if hasattr(part, "parameters") for _ in part.parameters())
    assert len(stage.frozen) + len(trained) == everything


def test_every_trained_weight_gets_a_gradient(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    """Several processes need that: no parameter may be left out of a backward pass, dropped or not."""
    for rate in (0.0, 1.0):
        stage = CFLDStage(replace(config, condition_dropout=rate), tmp_path, accelerator)
        stage.objective(**stage.inputs(torch.utils.data.default_collate([stage.samples[0, 0]]))).backward()
        assert [name for name, p in stage.objective.named_parameters() if p.requires_grad and p.grad is None] == []


def test_gradient_checkpointing_changes_no_gradient(
    config: TrainConfig, tmp_path: Path, accelerator: Accelerator
) -> None:
    gradients = []
    for checkpointing in (False, True):
        stage = CFLDStage(replace(config, gradient_checkpointing=checkpointing), tmp_path, accelerator)
        stage.objective.train()
        torch.manual_seed(0)
        stage.objective(**stage.inputs(torch.utils.data.default_collate([stage.samples[0, 0]]))).backward()
        gradients.append([p.grad for p in stage.objective.parameters() if p.requires_grad])
    assert stage.parts.conditioner.source_encoder.gradient_checkpointing
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_the_vae_s_pictures_and_export(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    stage = VAEStage(replace(config, stage="vae", picture_count=2), tmp_path, accelerator)
    sheet = stage.pictures()
    assert sheet.width > 2 * 64
    assert sheet.height > 2 * 64
    stage.export(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["vae"]
    assert stage.vae.config.scaling_factor != config.model.vae.scaling_factor


def test_the_scaling_factor_gives_latents_of_deviation_one() -> None:
    torch.manual_seed(0)
    mean, deviation = 3 * torch.randn(50, 4, 8, 8) + 1, torch.full((50, 4, 8, 8), 4.0)
    sample = mean + deviation * torch.randn_like(mean)
    factor = scaling_factor(torch.stack([mean, deviation], dim=1))
    assert factor == pytest.approx(1 / 5, rel=0.02)
    assert (factor * sample).std().item() == pytest.approx(1, abs=0.02)


def test_spread_items_are_even_and_never_more_than_there_are() -> None:
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread(range(2), 5) == [0, 1]
