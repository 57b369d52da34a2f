"""The schedulers that the command line knows by name, one row each; in Python any diffusers scheduler works.

Each is built by `from_config` from the noise schedule of the model's own scheduler.
"""

from __future__ import annotations

from typing import Any, Final

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
