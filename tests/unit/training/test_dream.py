"""DREAM against its definition and against diffusers' implementation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_dream_and_update_latents
from torch import Tensor

from cfld.build import Components
from cfld.models.unet import predict_noise
from cfld.training.dream import DREAMObjective, estimated_noise, rectified_noise
from cfld.training.objective import add_noise, training_target

B = 3


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_inputs_contain_the_model_s_own_estimate(prediction_type: str) -> None:
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


def test_the_objective_is_that_of_diffusers(components: Components) -> None:
    torch.manual_seed(1)
    source_image, poses = torch.rand(B, 3, 32, 32) * 2 - 1, torch.rand(2 * B, 21, 32, 32)
    z_0, conditioner, scheduler = torch.randn(2 * B, 4, 8, 8), components.conditioner, components.scheduler
    objective = DREAMObjective(
        conditioner, components.unet, scheduler.alphas_cumprod, condition_dropout=0.0, detail_preservation=1.0
    ).eval()
    torch.manual_seed(5)
    loss = objective(source_image, poses, z_0)
    torch.manual_seed(5)
    eps = torch.randn(z_0.shape)
    t = ((1 - torch.rand(2 * B) ** 3) * 1000).long().clamp(0, 999)
    source = conditioner.encode_source(source_image).select([*range(B)] * 2)
    conditioning = source.with_pose(conditioner.encode_pose(poses))

    def unet(z_t: Tensor, t: Tensor, _prompt: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=predict_noise(components.unet, z_t, t, conditioning))

    z_t = scheduler.add_noise(z_0, eps, t)
    z_t, target = compute_dream_and_update_latents(unet, scheduler, t, eps, z_t, eps, z_0, 1.0)
    torch.testing.assert_close(loss, (unet(z_t, t, z_0).sample - target).square().mean())
