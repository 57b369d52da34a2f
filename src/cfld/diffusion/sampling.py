"""The sampling loop. It is independent of models and conditions: denoiser and scheduler are arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from cfld.diffusion.guidance import Denoiser

OnStep = Callable[[int, Tensor, Tensor], Tensor]
"""(step, t, z), called after each step -> z to continue with."""


def sample(
    denoise: Denoiser,
    scheduler: Any,
    timesteps: Iterable[Tensor],
    latents: Tensor,
    generator: torch.Generator | list[torch.Generator] | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Denoises z_T to z_0 (section 3.3).

    Args:
        scheduler: a diffusers scheduler after `set_timesteps`.
        timesteps: the scheduler's own.
        latents: (B, 4, h, w), standard normal noise times `scheduler.init_noise_sigma`.
        generator: one, or a list of one per sample, for schedulers that add noise.

    Returns:
        (B, 4, h, w).
    """
    step_options = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    z_t = latents
    for i, t in enumerate(timesteps):
        eps_t = denoise(scheduler.scale_model_input(z_t, t), t)
        z_t = scheduler.step(eps_t, t, z_t, **step_options, return_dict=False)[0]
        z_t = on_step(i, t, z_t) if on_step else z_t
    return z_t
