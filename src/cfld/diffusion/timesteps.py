"""How t is drawn in training (paper section 3.3)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

TimestepLaw = Literal["cubic", "uniform"]


def sample_timesteps(
    batch_size: int,
    num_train_timesteps: int = 1000,
    law: TimestepLaw = "cubic",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """int64 (B,) in [0, T - 1].

    Args:
        law: `cubic` favours the early sampling stage, where t is large (the paper); `uniform` does not.
    """
    if law not in get_args(TimestepLaw):
        raise ValueError(f"the timestep law is one of {get_args(TimestepLaw)}, got {law!r}")
    u = torch.rand(batch_size, generator=generator, device=device)
    # section 3.3: t = (1 - u^3) T
    t = (1 - u**3) * num_train_timesteps if law == "cubic" else u * num_train_timesteps
    return t.long().clamp(0, num_train_timesteps - 1)
