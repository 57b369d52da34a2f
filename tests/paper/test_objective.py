"""eq. 1, 3, 5 and 6 on the real classes at tiny size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_dream_and_update_latents
from torch import Tensor

from cfld.build import build_components
from cfld.config.presets import tiny_model
from cfld.models.conditioner import DropoutMasks
from cfld.models.unet import predict_noise
from cfld.training.objective import (
    CFLDObjective,
    add_noise,
    autoencoder_loss,
    estimated_noise,
    overall_loss,
    rectified_noise,
    training_target,
    velocity,
)

B = 4


@pytest.fixture
def parts() -> Any:
    torch.manual_seed(0)
    parts = build_components(tiny_model())
    for encoder in parts.conditioner.appearance_encoders:  # so that the biases are not zero
        torch.nn.init.normal_(encoder.zero_conv_in.weight)
        torch.nn.init.normal_(encoder.zero_conv_out.weight)
    return parts


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        "source_image": torch.rand(B, 3, 32, 32) * 2 - 1,
        "poses": torch.rand(2 * B, 21, 32, 32),
        "latents": torch.randn(2 * B, 4, 8, 8),
    }


def objective(parts: Any, **options: Any) -> CFLDObjective:
    made = CFLDObjective(parts.conditioner, parts.unet, parts.scheduler.alphas_cumprod, **options)
    return made.eval()


def test_eq_1_adds_noise_as_the_scheduler_does(parts: Any) -> None:
    z_0, eps, t = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.tensor([0, 1, 500, 999])
    z_t = add_noise(z_0, eps, parts.scheduler.alphas_cumprod[t])
    torch.testing.assert_close(z_t, parts.scheduler.add_noise(z_0, eps, t))


def test_v_is_the_scheduler_s(parts: Any) -> None:
    z_0, eps, t = torch.randn(4, 4, 8, 8), torch.randn(4, 4, 8, 8), torch.tensor([0, 1, 500, 999])
    v = velocity(z_0, eps, parts.scheduler.alphas_cumprod[t])
    torch.testing.assert_close(v, parts.scheduler.get_velocity(z_0, eps, t))


@pytest.mark.parametrize("reconstructed", [1, B])
def test_eq_6_is_the_mean_over_both_tasks(reconstructed: int) -> None:
    """eq. 5 on the sources' rows, eq. 3 on the targets': each is half of it, however few sources there are."""
    sources, targets = torch.randn(2, reconstructed, 4, 8, 8), torch.randn(2, B, 4, 8, 8)
    L_rec, L_mse = ((a - b).square().mean() for a, b in (sources, targets))
    prediction, target = torch.cat([sources, targets], dim=1)
    torch.testing.assert_close(overall_loss(prediction, target, reconstructed), (L_rec + L_mse) / 2)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("share", "reconstructed"), [(1.0, B), (0.6, 2), (0.0, 1)])
def test_the_objective_is_the_two_tasks_one_by_one(
    parts: Any, batch: dict[str, Tensor], prediction_type: str, share: float, reconstructed: int
) -> None:
    """One forward equals a forward for eq. 5, of a share of the sources, and one for eq. 3; the source conditions."""
    options = {"prediction_type": prediction_type, "condition_dropout": 0.0, "reconstruction_share": share}
    torch.manual_seed(5)
    loss = objective(parts, **options)(**batch)
    torch.manual_seed(5)
    rows = reconstructed + B
    all_eps = torch.randn(rows, *batch["latents"].shape[1:])
    all_t = ((1 - torch.rand(rows) ** 3) * 1000).long().clamp(0, 999)
    losses = []
    for sources, task, drawn in (
        (slice(reconstructed), slice(reconstructed), slice(reconstructed)),
        (slice(B), slice(B, 2 * B), slice(reconstructed, None)),
    ):
        z_0, eps, t = batch["latents"][task], all_eps[drawn], all_t[drawn]
        target = eps if prediction_type == "epsilon" else parts.scheduler.get_velocity(z_0, eps, t)
        conditioning = parts.conditioner(batch["source_image"][sources], batch["poses"][task])
        prediction = predict_noise(parts.unet, parts.scheduler.add_noise(z_0, eps, t), t, conditioning)
        losses.append((target - prediction).square().mean())
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_dream_puts_the_model_s_own_estimate_in_the_input(prediction_type: str) -> None:
    """Preservation 0: eq. 1 of the estimated z_0 with the same noise. Either way the target leads back to z_0."""
    scheduler = DDPMScheduler(prediction_type=prediction_type, clip_sample=False)
    z_0, eps, prediction = torch.randn(3, 4, 4, 8, 8, dtype=torch.float64)
    t = torch.tensor([1, 300, 700, 999])
    alpha_bar = scheduler.alphas_cumprod[t].double()
    z_t = add_noise(z_0, eps, alpha_bar)
    steps = zip(t, prediction, z_t, strict=True)
    estimated = torch.stack([scheduler.step(p, s, z).pred_original_sample for s, p, z in steps])
    noise = estimated_noise(prediction_type, prediction, z_t, alpha_bar)
    for preservation, expected in ((0.0, add_noise(estimated, eps, alpha_bar)), (1e6, z_t)):
        rectified = rectified_noise(eps, noise, alpha_bar, preservation)
        given = add_noise(z_0, rectified, alpha_bar)
        torch.testing.assert_close(given, expected)
        target = training_target(prediction_type, z_0, rectified, alpha_bar)
        steps = zip(t, target, given, strict=True)
        led_to = torch.stack([scheduler.step(v, s, z).pred_original_sample for s, v, z in steps])
        torch.testing.assert_close(led_to, z_0, rtol=0, atol=1e-4)  # the scheduler divides by a float32 alpha_bar


def test_dream_is_that_of_diffusers(parts: Any, batch: dict[str, Tensor]) -> None:
    torch.manual_seed(5)
    loss = objective(parts, condition_dropout=0.0, dream_detail_preservation=1.0)(**batch)
    torch.manual_seed(5)
    z_0 = batch["latents"]
    eps = torch.randn(z_0.shape)
    t = ((1 - torch.rand(2 * B) ** 3) * 1000).long().clamp(0, 999)
    source = parts.conditioner.encode_source(batch["source_image"]).select([*range(B)] * 2)
    conditioning = source.with_pose(parts.conditioner.encode_pose(batch["poses"]))

    def unet(z_t: Tensor, t: Tensor, _prompt: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=predict_noise(parts.unet, z_t, t, conditioning))

    z_t = parts.scheduler.add_noise(z_0, eps, t)
    z_t, target = compute_dream_and_update_latents(unet, parts.scheduler, t, eps, z_t, eps, z_0, 1.0)
    torch.testing.assert_close(loss, (unet(z_t, t, z_0).sample - target).square().mean())


@pytest.mark.parametrize("meaning", ["joint", "prompt", "independent"])
def test_with_everything_dropped_the_condition_is_the_empty_set(
    parts: Any, batch: dict[str, Tensor], meaning: Any
) -> None:
    """Rate 1: `joint` and `independent` give eps(z_t, t, null, null); `prompt` keeps biases and pose."""
    torch.manual_seed(5)
    loss = objective(parts, condition_dropout=1.0, dropout_mode=meaning)(**batch)
    torch.manual_seed(5)
    eps = torch.randn_like(batch["latents"])
    t = ((1 - torch.rand(2 * B) ** 3) * 1000).long().clamp(0, 999)
    condition = parts.conditioner.null(2 * B)
    if meaning == "prompt":
        full = parts.conditioner(batch["source_image"].repeat(2, 1, 1, 1), batch["poses"])
        everyone, nobody = torch.ones(2 * B, dtype=torch.bool), torch.zeros(2 * B, dtype=torch.bool)
        condition = parts.conditioner.drop(full, DropoutMasks(prompt=everyone, bias=nobody, pose=nobody))
    prediction = predict_noise(parts.unet, parts.scheduler.add_noise(batch["latents"], eps, t), t, condition)
    torch.testing.assert_close(loss, (prediction - eps).square().mean())


def test_timesteps_follow_the_law_that_is_asked_for(parts: Any, batch: dict[str, Tensor]) -> None:
    seen = []
    parts.unet.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[1]))
    for law in ("cubic", "uniform"):
        torch.manual_seed(5)
        objective(parts, timestep_law=law)(**batch)  # type: ignore[arg-type]
    torch.manual_seed(5)
    torch.randn_like(batch["latents"])
    u = torch.rand(2 * B)
    assert torch.equal(seen[0], ((1 - u**3) * 1000).long())
    assert torch.equal(seen[1], (u * 1000).long())


def test_an_unknown_prediction_type_is_refused(parts: Any) -> None:
    with pytest.raises(ValueError, match="sample"):
        objective(parts, prediction_type="sample")


def test_the_autoencoder_s_loss_by_hand() -> None:
    """Error 0.5 everywhere: 0.5 + 0.25; KL of N(1, e) from N(0, 1): 0.5 (1 + e - 1 - 1) a latent value."""
    images = torch.zeros(2, 3, 8, 8)
    mean, logvar = torch.ones(2, 4, 1, 1), torch.ones(2, 4, 1, 1)
    loss = autoencoder_loss(images + 0.5, images, mean, logvar, kl_weight=0.1)
    kl = 0.5 * (torch.e - 1) * 8 / images.numel()
    assert loss.item() == pytest.approx(0.75 + 0.1 * kl, rel=1e-6)
