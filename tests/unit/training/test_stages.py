from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL

from cfld.build import build_vae
from cfld.config.schema import TrainConfig
from cfld.inference.reconstruction import through_vae
from cfld.mannequin import VOCABULARY
from cfld.mannequin.dataset import write_mannequin
from cfld.models.loading import load_component
from cfld.models.unet import freeze_except
from cfld.training.latent_cache import encode_moments
from cfld.training.loop import train
from cfld.training.objective import VAEObjective
from cfld.training.setup import make_accelerator
from cfld.training.stages import CFLDStage, UNetPretrainStage, VAEStage, scaling_factor, sources_then_targets, spread


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


def test_the_vae_s_images_and_export(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    stage = VAEStage(replace(config, stage="vae", image_count=2), tmp_path, accelerator)
    sheet = stage.images()
    assert sheet.width > 2 * 64
    assert sheet.height > 2 * 64
    stage.export(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["vae"]
    assert stage.vae.config.scaling_factor != config.model.vae.scaling_factor


def test_a_decoder_trained_alone_leaves_the_latents(config: TrainConfig, tmp_path: Path) -> None:
    """One step, and the saved autoencoder encodes to the bit as before, at the same scale, but draws otherwise."""
    start = build_vae(config.model.vae)
    start.register_to_config(scaling_factor=0.5)
    start.save_pretrained(tmp_path / "start" / "vae")
    folder = train(
        replace(config, stage="vae", vae_weights="decoder", init_from=str(tmp_path / "start"), max_steps=1),
        tmp_path / "run",
    )
    trained, image = load_component(AutoencoderKL, folder, "vae"), torch.rand(1, 3, 64, 64)
    assert trained.config.scaling_factor == 0.5
    assert torch.equal(encode_moments(trained, image), encode_moments(start.eval(), image))
    latents = torch.randn(1, 4, 8, 8)
    assert not torch.equal(trained.decode(latents).sample, start.decode(latents).sample)


def certain_vae(config: TrainConfig) -> AutoencoderKL:
    """One whose posterior has next to no deviation, so that sampling it gives its mode."""
    vae, channels = build_vae(config.model.vae), config.model.vae.latent_channels
    torch.nn.init.zeros_(vae.quant_conv.weight[channels:].detach())
    torch.nn.init.constant_(vae.quant_conv.bias[channels:].detach(), -30)
    return vae


@pytest.mark.parametrize("enlarged", [1, 30])
def test_latent_noise_is_a_share_of_the_latents_deviation(config: TrainConfig, enlarged: float) -> None:
    """The decoder gets the mode of the posterior and noise; an encoder with larger latents meets larger noise."""
    vae, images, decoded = certain_vae(config), 2 * torch.rand(2, 3, 64, 64) - 1, []
    with torch.no_grad():
        vae.quant_conv.weight.mul_(enlarged)
    vae.post_quant_conv.register_forward_pre_hook(lambda _, arguments: decoded.append(arguments[0].detach()))
    for noise in (0.0, 0.5):
        VAEObjective(vae, 0.0, latent_noise=noise)(images)
    mode = encode_moments(vae, images)[:, 0]
    torch.testing.assert_close(decoded[0], mode, rtol=1e-4, atol=1e-4)
    assert ((decoded[1] - mode).std() / mode.std()).item() == pytest.approx(0.5, rel=0.1)


def test_squeezed_the_autoencoder_is_compared_as_its_images_are_shown(config: TrainConfig) -> None:
    """The loss is that of `through_vae`, at the images' size."""
    vae, images = certain_vae(config), 2 * torch.rand(2, 3, 96, 66) - 1
    shown = 2 * through_vae(vae, (images + 1) / 2, (96, 66)) - 1
    wanted = (shown - images).abs().mean() + (shown - images).square().mean()
    torch.testing.assert_close(VAEObjective(vae, 0.0, squeeze=True)(images), wanted, rtol=1e-4, atol=1e-4)


def test_a_stage_compares_at_the_output_s_size(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    stage = VAEStage(replace(config, stage="vae", loss_resolution="output"), tmp_path, accelerator)
    batch = torch.utils.data.default_collate([stage.samples[0, 0]])
    assert batch["images"].shape[-2:] == config.model.output_size
    stage.objective(**stage.inputs(batch)).backward()
    assert [name for name, p in stage.objective.named_parameters() if p.grad is None] == []


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


def test_a_base_unet_is_told_the_words_of_its_image(
    config: TrainConfig, tmp_path: Path, accelerator: Accelerator
) -> None:
    stage = UNetPretrainStage(replace(config, stage="base"), tmp_path, accelerator)
    sample = stage.samples[0, 1]
    words = [list(VOCABULARY)[number] for number in sample["attributes"]]
    assert words == list(stage.data.attributes(stage.data.names[1]))  # type: ignore[attr-defined]
    batch = stage.inputs(torch.utils.data.default_collate([sample, stage.samples[0, 0]]))
    assert batch["latents"].shape == (2, 4, 8, 8)
    stage.objective(**batch).backward()
    assert [name for name, p in stage.objective.named_parameters() if p.grad is None] == []


def test_words_that_are_left_out_cannot_matter(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    losses = {}
    for rate in (0.0, 1.0):
        stage = UNetPretrainStage(replace(config, stage="base", condition_dropout=rate), tmp_path, accelerator)
        latents, losses[rate] = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), []
        for words in (torch.tensor([[1, 2], [3, 4]]), torch.tensor([[5, 6], [7, 8]])):
            torch.manual_seed(1)
            losses[rate].append(stage.objective(words, latents).item())
    assert losses[1.0][0] == losses[1.0][1]
    assert losses[0.0][0] != losses[0.0][1]


def test_a_base_unet_is_saved_as_a_start_for_the_method(
    config: TrainConfig, tmp_path: Path, accelerator: Accelerator
) -> None:
    stage = UNetPretrainStage(replace(config, stage="base"), tmp_path, accelerator)
    stage.export(tmp_path / "model")
    method = CFLDStage(replace(config, init_from=str(tmp_path / "model"), unet_weights="kv"), tmp_path, accelerator)
    saved, taken = stage.parts.unet.state_dict(), method.parts.unet.state_dict()
    assert all(torch.equal(taken[name], weight) for name, weight in saved.items())
    assert stage.images().width > 0


def test_a_base_unet_needs_described_images(config: TrainConfig, tmp_path: Path, accelerator: Accelerator) -> None:
    write_mannequin(tmp_path / "data", identities=2, poses=2, size=(64, 44))
    photographs = replace(config.data, root=tmp_path / "data")
    with pytest.raises(ValueError, match="needs a data set with attributes"):
        UNetPretrainStage(replace(config, stage="base", data=photographs), tmp_path, accelerator)
