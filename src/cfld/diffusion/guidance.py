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


@dataclass(frozen=True)
class BranchWeights:
    """The coefficients of the three branches of eq. 7, which sum to 1.

    Attributes:
        null: of eps_theta(z_t, t, null, null).
        pose: of eps_theta(z_t, t, null, x_tp).
        full: of eps_theta(z_t, t, x_s, x_tp).
    """

    null: float
    pose: float
    full: float


def branch_weights(pose_guidance_scale: float, appearance_guidance_scale: float) -> BranchWeights:
    """Collects the terms of eq. 7 by branch."""
    w_pose, w_app = pose_guidance_scale, appearance_guidance_scale
    # eq. 7: eps_t = eps_null + w_pose (eps_pose - eps_null) + w_app (eps_full - eps_pose)
    return BranchWeights(null=1 - w_pose, pose=w_pose - w_app, full=w_app)


def guided_denoiser(
    predict_noise: PredictNoise, full: Conditioning, null: Conditioning, weights: BranchWeights
) -> Denoiser:
    """Returns the denoiser of eq. 7: one batch of all branches whose weight is not zero.

    Args:
        full: source and pose, (B, ...).
        null: the empty set for both, (B, ...).
    """
    branches = [(weights.null, null), (weights.pose, null.with_pose(full.pose_features)), (weights.full, full)]
    needed = [(weight, branch) for weight, branch in branches if weight != 0]
    batch = Conditioning.cat([branch for _, branch in needed]).cached()

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        eps = predict_noise(z_t.repeat(len(needed), 1, 1, 1), t, batch).chunk(len(needed))
        # eq. 7, by branch
        return torch.stack([w * eps_branch for (w, _), eps_branch in zip(needed, eps, strict=True)]).sum(0)

    return denoise
