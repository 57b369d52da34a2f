from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, EulerAncestralDiscreteScheduler
from torch import Tensor

from cfld.diffusion.guidance import Denoiser
from cfld.diffusion.sampling import sample

SHAPE = (2, 4, 8, 8)


def true_noise(z_0: Tensor, scheduler: DDIMScheduler) -> Denoiser:
    """A denoiser that predicts the true noise."""

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        alpha_bar = scheduler.alphas_cumprod[t]
        return (z_t - alpha_bar.sqrt() * z_0) / (1 - alpha_bar).sqrt()

    return denoise


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_the_true_noise_recovers_the_image(steps: int) -> None:
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    scheduler.set_timesteps(steps)
    z_0 = torch.randn(SHAPE)
    found = sample(true_noise(z_0, scheduler), scheduler, scheduler.timesteps, torch.randn(SHAPE))
    torch.testing.assert_close(found, z_0, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", [DDPMScheduler, EulerAncestralDiscreteScheduler])
def test_one_generator_per_sample_makes_samples_independent(kind: type) -> None:
    scheduler = kind()

    def run(seeds: list[int]) -> Tensor:
        scheduler.set_timesteps(4)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        noise = torch.stack([torch.full(SHAPE[1:], float(seed)) for seed in seeds])
        return sample(lambda z, _: z * 0.1, scheduler, scheduler.timesteps, noise, generators)

    assert torch.equal(run([1, 5])[1], run([5])[0])


def test_on_step_is_called_at_every_step_and_may_change_the_latents() -> None:
    scheduler = DDIMScheduler()
    scheduler.set_timesteps(5)
    seen: list[tuple[int, int]] = []

    def on_step(i: int, t: Tensor, z: Tensor) -> Tensor:
        seen.append((i, int(t)))
        return torch.zeros_like(z)

    last = sample(lambda z, _: z, scheduler, scheduler.timesteps, torch.randn(SHAPE), on_step=on_step)
    assert seen == list(enumerate(scheduler.timesteps.tolist()))
    assert not last.any()
