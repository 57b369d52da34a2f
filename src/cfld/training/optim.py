"""Adam (section 4.1) or Muon, the learning rate, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cfld.config.schema import OptimConfig


def learning_rate_factor(step: int, total_steps: int, config: OptimConfig) -> float:
    """What the learning rate is multiplied by at `step`, counted from 0: a linear warm-up, later a drop or a slope."""
    factor = 1.0
    if step < config.warmup_steps:
        factor = config.warmup_from + (1 - config.warmup_from) * (step + 1) / config.warmup_steps
    begin = config.decay_at * total_steps
    if step < begin:
        return factor
    share = (step - begin) / (total_steps - begin) if config.decay == "linear" else 1.0
    return factor * (1 - share + share * config.decay_by)


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    """The optimiser of what trains, by the parameters' names. One learning rate serves all of it."""
    if config.optimizer == "muon":
        return Muon(parameters, config)
    return torch.optim.Adam(  # the fused kernel spares a small model on a CPU a loop over its tensors
        list(parameters.values()),
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024) for the matrices and kernels of layers, AdamW for all else.

    The momentum of a matrix is brought to the nearest one whose singular values are all about 1. Scaled by
    0.2 sqrt(max(rows, columns)) its entries are as large as Adam's steps (Liu et al., 2025), so both share a rate.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], config: OptimConfig, momentum: float = 0.95, eps: float = 1e-8
    ) -> None:
        matrices = {name for name, p in parameters.items() if p.ndim >= 2 and name.split(".")[-1] == "weight"}
        groups = [
            {"params": [p for name, p in parameters.items() if (name in matrices) is kind], "orthogonal": kind}
            for kind in (True, False)
        ]
        defaults = {"lr": config.learning_rate, "betas": config.betas, "weight_decay": config.weight_decay}
        super().__init__([g for g in groups if g["params"]], {**defaults, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One step of all that has a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            directions = self._muon(weights, group) if group["orthogonal"] else self._adam(weights, group)
            for weight, direction in zip(weights, directions, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * direction)

    def _muon(self, weights: list[Tensor], group: Mapping[str, Any]) -> list[Tensor]:
        """Matrices of one shape go together: hundreds of small products take longer one by one."""
        ahead = [self._ahead(weight, group["momentum"]).flatten(1) for weight in weights]
        directions = list(ahead)
        for shape in {matrix.shape for matrix in ahead}:
            places = [i for i, matrix in enumerate(ahead) if matrix.shape == shape]
            batch = torch.stack([ahead[i] for i in places])
            results = 0.2 * max(shape) ** 0.5 * orthogonal(batch, dtype=torch.bfloat16)
            for i, result in zip(places, results, strict=True):
                directions[i] = result.view_as(weights[i])
        return directions

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        """Nesterov's momentum."""
        assert weight.grad is not None
        average = self.state[weight].setdefault("average", torch.zeros_like(weight)).lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(average, momentum)

    def _adam(self, weights: list[Tensor], group: Mapping[str, Any]) -> list[Tensor]:
        return [self._adam_direction(weight, self.state[weight], group) for weight in weights]

    @staticmethod
    def _adam_direction(weight: Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> Tensor:
        grad = weight.grad
        assert grad is not None
        beta_1, beta_2 = group["betas"]
        state["step"] = state.get("step", 0) + 1
        average = state.setdefault("average", torch.zeros_like(grad)).lerp_(grad, 1 - beta_1)
        square = state.setdefault("square", torch.zeros_like(grad)).lerp_(grad.square(), 1 - beta_2)
        deviation = (square / (1 - beta_2 ** state["step"])).sqrt()
        return average / (1 - beta_1 ** state["step"]) / (deviation + group["eps"])


def orthogonal(matrices: Tensor, iterations: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """U V^T of each matrix U S V^T, roughly: its singular values come out between about 0.7 and 1.2.

    Newton-Schulz iteration with the quintic that Jordan et al. (2024) chose for speed.

    Args:
        matrices: (..., rows, columns), of any scale.
        dtype: to compute in and of the result, that of the matrices by default.
    """
    X = (matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    if wide := X.shape[-2] <= X.shape[-1]:
        X = X.mT
    identity = torch.eye(X.shape[-1], device=X.device, dtype=X.dtype)
    for _ in range(iterations):
        A = X.mT @ X
        X = X @ (3.4445 * identity - 4.7750 * A + 2.0315 * A @ A)
    return X.mT if wide else X


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
