"""Cumulative classifier-free guidance (eq. 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cfld.types import Conditioning

PredictNoise = Callable[[Tensor, Tensor, Conditioning], Tensor]
"""(z_t, t, conditioning) -> eps, all of one batch size."""
Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(z_t, t) -> eps, as the sampling loop calls it."""


def guided_denoiser(
    predict_noise: PredictNoise,
    full: Conditioning,
    null: Conditioning,
    w_pose: float,
    w_app: float,
    interval: tuple[float, float] | None = None,
) -> Denoiser:
    """Returns the denoiser of eq. 7: one batch of all branches whose weight is not zero.

    Args:
        full: source and pose, (B, ...).
        null: the empty set for both, (B, ...).
        w_pose, w_app: the guidance scales of pose and appearance.
        interval: lowest and highest t at which they apply, None = all; at others both are 1, which is the full branch
            alone (Kynkäänniemi et al., NeurIPS 2024).
    """
    guided = _Branches.of(full, null, w_pose, w_app)
    conditional = guided if interval is None else _Branches.of(full, null, 1, 1)

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        inside = interval is None or interval[0] <= t.min() <= t.max() <= interval[1]
        return (guided if inside else conditional).predict(predict_noise, z_t, t)

    return denoise


@dataclass(frozen=True)
class _Branches:
    """Branches of eq. 7: their weights, and their conditions as one batch."""

    weights: tuple[float, ...]
    batch: Conditioning

    @classmethod
    def of(cls, full: Conditioning, null: Conditioning, w_pose: float, w_app: float) -> _Branches:
        # eq. 7: eps_t = eps_null + w_pose (eps_pose - eps_null) + w_app (eps_full - eps_pose), collected by branch
        branches = [(1 - w_pose, null), (w_pose - w_app, null.with_pose(full.pose_features)), (w_app, full)]
        weights, needed = zip(*((weight, branch) for weight, branch in branches if weight != 0), strict=True)
        return cls(weights, Conditioning.cat(needed).cached())

    def predict(self, predict_noise: PredictNoise, z_t: Tensor, t: Tensor) -> Tensor:
        eps = predict_noise(z_t.repeat(len(self.weights), 1, 1, 1), t, self.batch).chunk(len(self.weights))
        return torch.stack([w * eps_branch for w, eps_branch in zip(self.weights, eps, strict=True)]).sum(0)
