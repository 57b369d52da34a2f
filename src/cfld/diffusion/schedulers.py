"""The schedulers that the command line knows by name; in Python any diffusers scheduler will do.

One row a scheduler. Each is made from the model's own noise schedule by `from_config`.
"""

from __future__ import annotations

from typing import Any, Final

import diffusers

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


def make_scheduler(name: str, config: Any) -> Any:
    """The scheduler called `name` on another scheduler's noise schedule.

    Args:
        config: `pipe.scheduler.config`.

    Raises:
        ValueError: listing the names, for an unknown one.
    """
    if name not in SCHEDULERS:
        raise ValueError(f"no scheduler {name!r}; there are {', '.join(SCHEDULERS)}")
    kind, options = SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(config, **options)
