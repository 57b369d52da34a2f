"""Adam, its learning rate (section 4.1), and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cfld.config.schema import OptimConfig


def learning_rate_factor(step: int, total_steps: int, config: OptimConfig) -> float:
    """What the learning rate is multiplied by at `step`, counted from 0: a linear warm-up, later one drop."""
    factor = 1.0
    if step < config.warmup_steps:
        factor = config.warmup_from + (1 - config.warmup_from) * (step + 1) / config.warmup_steps
    return factor * (config.decay_by if step >= config.decay_at * total_steps else 1.0)


def make_optimizer(parameters: list[nn.Parameter], config: OptimConfig) -> torch.optim.Adam:
    """Adam over what trains; the fused kernel spares a small model on a CPU a loop over its tensors."""
    return torch.optim.Adam(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )


class WeightAverage:
    """An exponential moving average of parameters; `decay` is reached gradually, so that short runs have a good one."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        """
        Raises:
            ValueError: unless 0 <= decay < 1.
        """
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be at least 0 and below 1, got {decay}")
        self.decay, self._parameters = decay, parameters
        self.weights: dict[str, Tensor] = {name: weight.detach().clone() for name, weight in parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """average += (1 - d) (weight - average), d = min(decay, (1 + step) / (10 + step)); step 1 is the first."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, average in self.weights.items():
            average.lerp_(self._parameters[name], 1 - decay)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        for name, average in self.weights.items():
            average.copy_(weights[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the parameters are the average; afterwards they are what they were."""
        before = {name: weight.detach().clone() for name, weight in self._parameters.items()}
        copy_weights(self._parameters, self.weights)
        try:
            yield
        finally:
            copy_weights(self._parameters, before)


@torch.no_grad()
def copy_weights(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Overwrites `parameters` by the weights of the same names."""
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])
