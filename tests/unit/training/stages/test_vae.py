from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from cfld.build import build_vae
from cfld.config.schema import TrainConfig, VAEStageConfig
from cfld.inference.reconstruction import through_vae
from cfld.models.loading import load_component
from cfld.training.latent_cache import encode_moments
from cfld.training.loop import train
from cfld.training.stages.vae import VAEObjective, autoencoder_loss, blurred, contrast_loss, scaling_factor

MakeStage = Callable[[TrainConfig], Any]


def test_sample_images_and_export(config: TrainConfig, make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(replace(config, stage=VAEStageConfig(), image_count=2))
    sheet = stage.images()
    assert sheet.width > 2 * 64
    assert sheet.height > 2 * 64
    stage.export(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["vae"]
    assert stage.vae.config.scaling_factor != config.model.vae.scaling_factor


def test_a_decoder_trained_alone_leaves_the_latents(config: TrainConfig, tmp_path: Path) -> None:
    """One step, and the saved autoencoder encodes to the bit as before, at the same scale, but decodes otherwise."""
    start = build_vae(config.model.vae)
    start.register_to_config(scaling_factor=0.5)
    start.save_pretrained(tmp_path / "start" / "vae")
    run = train(
        replace(config, stage=VAEStageConfig(vae_weights="decoder"), init_from=str(tmp_path / "start"), max_steps=1),
        tmp_path / "run",
    )
    trained, image = load_component(AutoencoderKL, run.out / "model", "vae"), torch.rand(1, 3, 64, 64)
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


def test_the_loss_at_the_output_resolution(config: TrainConfig, make_stage: MakeStage) -> None:
    stage = make_stage(replace(config, stage=VAEStageConfig(loss_resolution="output")))
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


def test_the_autoencoder_s_loss_by_hand() -> None:
    """Error 0.5 everywhere: 0.5 + 0.25; KL of N(1, e) from N(0, 1): 0.5 (1 + e - 1 - 1) a latent value."""
    images = torch.zeros(2, 3, 8, 8)
    mean, logvar = torch.ones(2, 4, 1, 1), torch.ones(2, 4, 1, 1)
    loss = autoencoder_loss(images + 0.5, images, mean, logvar, kl_weight=0.1)
    kl = 0.5 * (torch.e - 1) * 8 / images.numel()
    assert loss.item() == pytest.approx(0.75 + 0.1 * kl, rel=1e-6)


def test_blurring_is_that_of_opencv() -> None:
    image = np.random.default_rng(0).random((20, 16, 3)).astype(np.float32)
    expected = cv2.GaussianBlur(image, (9, 9), 1.5, borderType=cv2.BORDER_REPLICATE)
    found = blurred(torch.from_numpy(image).permute(2, 0, 1)[None], 1.5)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_contrast_is_lost_by_blur_and_not_by_another_phase() -> None:
    stripes = torch.sin(torch.arange(48) * 2 * torch.pi / 6).expand(1, 3, 48, 48)
    shifted, soft = stripes.roll(3, dims=-1), blurred(stripes, 1.5)
    assert contrast_loss(stripes, stripes) == 0
    assert 20 * contrast_loss(shifted, stripes) < contrast_loss(soft, stripes)


def test_the_contrast_is_part_of_the_loss(config: TrainConfig) -> None:
    vae, images = certain_vae(config), 2 * torch.rand(2, 3, 64, 64) - 1
    reconstruction = vae.decode(encode_moments(vae, images)[:, 0]).sample
    plain, contrasted = (VAEObjective(vae, 0.0, contrast_weight=weight)(images) for weight in (0.0, 2.0))
    torch.testing.assert_close(contrasted - plain, 2 * contrast_loss(reconstruction, images), rtol=1e-3, atol=1e-4)
