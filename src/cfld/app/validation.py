"""Values that a page or a client sent, checked: they come from strangers, whatever the page's controls allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from cfld.app.limits import Limits
from cfld.config.schema import SamplingConfig
from cfld.diffusion.schedulers import SCHEDULERS

T = TypeVar("T", bound=str)

OWN_SCHEDULER: Final = "the model's own"
LARGEST_SEED: Final = 2**31 - 1
LARGEST_SCALE: Final = 100.0


def number(value: Any, what: str, low: float, high: float) -> float:
    """`value` as a number; raises ValueError when it is none, or outside [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{what} is a number, got {str(value)[:40]!r}")
    if not low <= value <= high:
        raise ValueError(f"{what} is from {low:.10g} to {high:.10g}, got {value:.10g}")
    return float(value)


def whole(value: Any, what: str, low: int, high: int) -> int:
    """`value` as a whole number; raises ValueError as `number` does."""
    given = number(value, what, low, high)
    if given != int(given):
        raise ValueError(f"{what} is a whole number, got {given:g}")
    return int(given)


def switch(value: Any, what: str) -> bool:
    """`value`; raises ValueError when it is neither on nor off."""
    if not isinstance(value, bool):
        raise ValueError(f"{what} is on or off, got {str(value)[:40]!r}")
    return value


def choice(value: Any, what: str, choices: Sequence[T]) -> T:
    """`value`; raises ValueError when it is none of the choices."""
    for one in choices:
        if value == one:
            return one
    raise ValueError(f"{what} is one of {', '.join(choices)}, got {str(value)[:40]!r}")


def sampling(
    limits: Limits, steps: Any, pose_guidance: Any, appearance_guidance: Any, scheduler: Any, seed: Any
) -> SamplingConfig:
    """How images are sampled; raises ValueError naming the value that will not do."""
    name = choice(scheduler, "the scheduler", [OWN_SCHEDULER, *SCHEDULERS])
    return SamplingConfig(
        steps=whole(steps, "steps", 1, limits.steps),
        pose_guidance_scale=number(pose_guidance, "pose guidance", -LARGEST_SCALE, LARGEST_SCALE),
        appearance_guidance_scale=number(appearance_guidance, "appearance guidance", -LARGEST_SCALE, LARGEST_SCALE),
        scheduler=None if name == OWN_SCHEDULER else name,
        seed=whole(seed, "the seed", 0, LARGEST_SEED),
    )
