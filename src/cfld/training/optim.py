"""Adam (section 4.1) or Muon, and the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cfld.config.choices import OPTIMIZERS
from cfld.config.schema import OptimConfig


def learning_rate_factor(step: int, total_steps: int, config: OptimConfig) -> float:
    """The factor of the learning rate at `step`, counted from 0: linear warm-up, then a step or linear decay."""
    factor = 1.0
    if step < config.warmup_steps:
        factor = config.warmup_from + (1 - config.warmup_from) * (step + 1) / config.warmup_steps
    begin = config.decay_at * total_steps
    if step < begin:
        return factor
    share = (step - begin) / (total_steps - begin) if config.decay == "linear" else 1.0
    return factor * (1 - share + share * config.decay_by)


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    """The configured optimiser of the named parameters. One learning rate serves all of them."""
    optimizer: torch.optim.Optimizer = OPTIMIZERS[config.optimizer](parameters, config)
    return optimizer


def adam(parameters: Mapping[str, nn.Parameter], config: OptimConfig) -> torch.optim.Adam:
    """Adam with the fused kernel, which spares a small model on a CPU a Python loop over its tensors."""
    return torch.optim.Adam(
        list(parameters.values()),
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024) for the weight matrices and kernels of layers, AdamW for everything else.

    A matrix is updated by the nearest matrix to its momentum whose singular values are all about 1. Scaled by
    0.2 sqrt(max(rows, columns)), the update is as large as Adam's (Liu et al., 2025), so both share a learning rate.
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
        """Updates all parameters that have a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            directions = self._muon(weights, group) if group["orthogonal"] else [self._adam(w, group) for w in weights]
            for weight, direction in zip(weights, directions, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * direction)

    def _muon(self, weights: list[Tensor], group: Mapping[str, Any]) -> list[Tensor]:
        """Matrices of one shape are stacked: hundreds of small products take longer one by one.

        The iteration bears bfloat16, which takes half the time of float32 where a processor multiplies it; others take
        ten times longer for it.
        """
        fast = any(weight.is_cuda for weight in weights) or torch.cpu._is_avx512_bf16_supported()
        dtype = torch.bfloat16 if fast else None
        momenta = [self._nesterov(weight, group["momentum"]).flatten(1) for weight in weights]
        directions = list(momenta)
        for shape in {matrix.shape for matrix in momenta}:
            same = [i for i, matrix in enumerate(momenta) if matrix.shape == shape]
            batch = torch.stack([momenta[i] for i in same])
            updates = 0.2 * max(shape) ** 0.5 * orthogonal(batch, dtype=dtype)
            for i, update in zip(same, updates, strict=True):
                directions[i] = update.view_as(weights[i])
        return directions

    def _nesterov(self, weight: Tensor, momentum: float) -> Tensor:
        assert weight.grad is not None
        average = self.state[weight].setdefault("average", torch.zeros_like(weight)).lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(average, momentum)

    def _adam(self, weight: Tensor, group: Mapping[str, Any]) -> Tensor:
        grad, state = weight.grad, self.state[weight]
        assert grad is not None
        beta_1, beta_2 = group["betas"]
        state["step"] = state.get("step", 0) + 1
        average = state.setdefault("average", torch.zeros_like(grad)).lerp_(grad, 1 - beta_1)
        square = state.setdefault("square", torch.zeros_like(grad)).lerp_(grad.square(), 1 - beta_2)
        deviation = (square / (1 - beta_2 ** state["step"])).sqrt()
        return average / (1 - beta_1 ** state["step"]) / (deviation + group["eps"])


def orthogonal(matrices: Tensor, iterations: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """Approximates U V^T of each matrix U S V^T: its singular values come out between about 0.7 and 1.2.

    Newton-Schulz iteration with the quintic polynomial of Jordan et al. (2024).

    Args:
        matrices: (..., rows, columns), of any scale.
        dtype: of the computation and the result; by default that of the matrices.
    """
    X = (matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    if wide := X.shape[-2] <= X.shape[-1]:
        X = X.mT
    identity = torch.eye(X.shape[-1], device=X.device, dtype=X.dtype)
    for _ in range(iterations):
        A = X.mT @ X
        X = X @ (3.4445 * identity - 4.7750 * A + 2.0315 * A @ A)
    return X.mT if wide else X
