"""The distribution of the training timesteps t (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TIMESTEP_LAWS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "cubic": lambda u: 1 - u**3,  # section 3.3: t = (1 - u^3) T, which favours large t
    "uniform": lambda u: u,
}
"""Name -> a function from u ~ U(0, 1) to t / T. The configuration, its help and the tests take the laws from here."""


def sample_timesteps(
    batch_size: int,
    num_train_timesteps: int = 1000,
    law: str = "cubic",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Samples t by one of `TIMESTEP_LAWS`: int64 (B,) in [0, T - 1].

    Raises:
        ValueError: for an unknown law.
    """
    import torch  # here, so that the names of the laws cost no import

    if law not in TIMESTEP_LAWS:
        raise ValueError(f"unknown timestep law {law!r}; choose one of {', '.join(TIMESTEP_LAWS)}")
    u = torch.rand(batch_size, generator=generator, device=device)
    t = TIMESTEP_LAWS[law](u) * num_train_timesteps
    return t.long().clamp(0, num_train_timesteps - 1)
