"""Cumulative classifier-free guidance (eq. 7)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cfld.types import Conditioning

PredictNoise = Callable[[Tensor, Tensor, Conditioning], Tensor]
"""(z_t, t, conditioning) -> eps, all of one batch size."""
Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(z_t, t) -> eps, as the sampling loop calls it."""


def guided_denoiser(
    predict_noise: PredictNoise, full: Conditioning, null: Conditioning, w_pose: float, w_app: float
) -> Denoiser:
    """Returns the denoiser of eq. 7: one batch of all branches whose weight is not zero.

    Args:
        full: source and pose, (B, ...).
        null: the empty set for both, (B, ...).
        w_pose, w_app: the guidance scales of pose and appearance.
    """
    # eq. 7: eps_t = eps_null + w_pose (eps_pose - eps_null) + w_app (eps_full - eps_pose), collected by branch
    branches = [(1 - w_pose, null), (w_pose - w_app, null.with_pose(full.pose_features)), (w_app, full)]
    needed = [(weight, branch) for weight, branch in branches if weight != 0]
    batch = Conditioning.cat([branch for _, branch in needed]).cached()

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        eps = predict_noise(z_t.repeat(len(needed), 1, 1, 1), t, batch).chunk(len(needed))
        return torch.stack([w * eps_branch for (w, _), eps_branch in zip(needed, eps, strict=True)]).sum(0)

    return denoise
