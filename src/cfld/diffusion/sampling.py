"""The one sampling loop. It knows neither models nor conditions: a denoiser and a scheduler are handed to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from cfld.diffusion.guidance import Denoiser

OnStep = Callable[[int, Tensor, Tensor], Tensor]
"""(step, t, z) after each step -> z to go on with."""


def sample(
    denoise: Denoiser,
    scheduler: Any,
    timesteps: Iterable[Tensor],
    latents: Tensor,
    generator: torch.Generator | list[torch.Generator] | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """z_T -> z_0 (section 3.3, sampling).

    Args:
        scheduler: a diffusers scheduler whose `set_timesteps` has been called; `timesteps` are its own.
        latents: (B, 4, h, w), standard normal noise times `scheduler.init_noise_sigma`.
        generator: one, or a list with one a sample, for schedulers that add noise.

    Returns:
        (B, 4, h, w).
    """
    step_arguments = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for i, t in enumerate(timesteps):
        eps = denoise(scheduler.scale_model_input(latents, t), t)
        latents = scheduler.step(eps, t, latents, **step_arguments, return_dict=False)[0]
        latents = on_step(i, t, latents) if on_step else latents
    return latents
