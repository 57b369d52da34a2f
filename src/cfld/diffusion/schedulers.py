"""Schedulers: those of diffusers that sample correctly, those that the command line knows by name, and their set-up.

Each is built by `from_config` from the noise schedule of the model's own scheduler.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SCHEDULERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ddpm": ("DDPMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
}
"""Name -> (diffusers class, options)."""

CORRECT: Final = (
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
"""The classes of diffusers that sample the distribution of a model whose exact denoiser is known; a test tries all.
The others are of flow matching, EDM's scaling or other data, or do not take the noise from the generator."""

WHOLE_STRIDES: Final = ("DDIMParallelScheduler", "DDIMScheduler", "PNDMScheduler")
"""Classes whose step is T // n timesteps wide, whatever their timesteps are."""
COVERED: Final = 0.95
"""The least part of the noise schedule that n such steps must cover."""
FEWEST: Final = {"HeunDiscreteScheduler": 3, "KDPM2AncestralDiscreteScheduler": 5}
"""Classes whose second evaluation overshoots in fewer steps; a single step has none."""
START_SIGNAL: Final = 0.35
"""The largest share of the image, sqrt(alpha_bar_t), at a first timestep t: sampling starts from pure noise."""
START_SHARE: Final = 0.9
"""The least part of its distance from 0 at which the first of n timesteps may be."""
END_SIGNAL: Final = 0.03
"""sqrt(alpha_bar_T) instead of 0, for the classes that divide by it."""


def make_scheduler(name: str, config: Any) -> Any:
    """Builds the scheduler called `name` with another scheduler's noise schedule.

    Args:
        config: `pipe.scheduler.config`.

    Raises:
        ValueError: listing the names, for an unknown one.
    """
    import diffusers

    if name not in SCHEDULERS:
        raise ValueError(f"unknown scheduler {name!r}; choose one of {', '.join(SCHEDULERS)}")
    kind, options = SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(config, **options)


def start(scheduler: Any, steps: int, device: torch.device | str | None = None) -> Any:
    """Copies a scheduler and sets the copy to a number of steps, for one call; the scheduler itself is not changed.

    The copy starts at a timestep of (nearly) pure noise, also where `leading` and `linspace` would not (a single step,
    more than half of all), and has the zero terminal SNR of its configuration, also where its class ignores that.

    Args:
        steps: 1 to the number of training timesteps.

    Raises:
        ValueError: if the scheduler does not sample correctly, or not with this number of steps.
    """
    check_scheduler(scheduler)
    check_steps(scheduler, steps)
    own = _with_options(scheduler, _completed(scheduler, steps))
    own.set_timesteps(steps, device=device)
    if _needs_trailing(own, steps):
        own = _with_options(own, {"timestep_spacing": "trailing"})
        own.set_timesteps(steps, device=device)
    if hasattr(own, "set_begin_index"):  # count the steps: several may share one timestep
        own.set_begin_index(0)
    return own


def check_scheduler(scheduler: Any) -> None:
    """Raises ValueError for a class of diffusers that is not among `CORRECT`, and for one set to flow matching."""
    kind = type(scheduler)
    flow = scheduler.config.get("use_flow_sigmas") or scheduler.config.get("prediction_type") == "flow_prediction"
    if flow or (kind.__module__.startswith("diffusers.") and kind.__name__ not in CORRECT):
        raise ValueError(
            f"{kind.__name__}{' with flow matching' if flow else ''} does not sample this model correctly; use "
            f"X.from_config(pipe.scheduler.config) with X one of {', '.join(CORRECT)}"
        )


def check_steps(scheduler: Any, steps: int) -> None:
    """Raises ValueError for a number of steps that the scheduler cannot take, naming one that it can."""
    name, config = type(scheduler).__name__, scheduler.config
    timesteps = config.get("num_train_timesteps", steps)
    most = config.get("original_inference_steps", timesteps)
    if not 1 <= steps <= most:
        raise ValueError(f"num_inference_steps must be 1 to {most} with {name}, got {steps}")
    if 1 < steps < FEWEST.get(name, 1):
        raise ValueError(f"{name} overshoots in {steps} steps; use {FEWEST[name]} or more steps, or another scheduler")
    if name in WHOLE_STRIDES and steps * (timesteps // steps) < COVERED * timesteps:
        fewer, more = timesteps // (timesteps // steps + 1), timesteps // (timesteps // steps)
        raise ValueError(
            f"{name} cannot divide {timesteps} training timesteps into {steps} equal steps; "
            f"use {fewer} or {more} steps, or another scheduler"
        )


def _with_options(scheduler: Any, options: dict[str, Any]) -> Any:
    return type(scheduler).from_config(scheduler.config, **options) if options else copy.deepcopy(scheduler)


def _completed(scheduler: Any, steps: int) -> dict[str, Any]:
    """The options that the scheduler lacks."""
    options: dict[str, Any] = {}
    if scheduler.config.get("rescale_betas_zero_snr") and scheduler.alphas_cumprod[-1] > END_SIGNAL**2:
        options["trained_betas"] = _rescaled_betas(scheduler.alphas_cumprod)
    if scheduler.config.get("skip_prk_steps") is False and steps < 4:  # PNDM's Runge-Kutta start takes four
        options["skip_prk_steps"] = True
    return options


def _rescaled_betas(alphas_cumprod: Tensor) -> list[float]:
    """The betas of a noise schedule shifted and scaled to `END_SIGNAL` (Lin et al., 2024, algorithm 1)."""
    signal = alphas_cumprod.double().sqrt()
    signal = (signal - signal[-1]) * (signal[0] - END_SIGNAL) / (signal[0] - signal[-1]) + END_SIGNAL
    alphas = signal**2 / (signal.roll(1) ** 2).index_fill(0, signal.new_zeros(1).long(), 1.0)
    betas: list[float] = (1 - alphas).tolist()
    return betas


def _needs_trailing(scheduler: Any, steps: int) -> bool:
    """Whether the timesteps miss the noisy end of the schedule, where sampling starts, or do not fit the class."""
    spacing = scheduler.config.get("timestep_spacing", "trailing")
    if spacing == "trailing":
        return False
    misfit = spacing == "linspace" and type(scheduler).__name__ in WHOLE_STRIDES
    first, alphas_cumprod = int(scheduler.timesteps[0]), scheduler.alphas_cumprod
    total = len(alphas_cumprod)
    early = steps == total or first < START_SHARE * (total - total / steps)  # rounding of total / steps moves the start
    return misfit or early or bool(alphas_cumprod[first].sqrt() > START_SIGNAL)
