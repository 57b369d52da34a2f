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
"""(z_t, t) -> eps: what a sampling loop calls."""


@dataclass(frozen=True)
class BranchWeights:
    """What each branch of eq. 7 counts once the brackets are opened; they add up to 1.

    Attributes:
        null: of eps(z_t, t, null, null).
        pose: of eps(z_t, t, null, x_tp).
        full: of eps(z_t, t, x_s, x_tp).
    """

    null: float
    pose: float
    full: float


def branch_weights(pose_guidance_scale: float, appearance_guidance_scale: float) -> BranchWeights:
    """eq. 7: eps_0 + w_pose (eps_pose - eps_0) + w_app (eps_full - eps_pose), sorted by branch."""
    w_pose, w_app = pose_guidance_scale, appearance_guidance_scale
    return BranchWeights(null=1 - w_pose, pose=w_pose - w_app, full=w_app)


def guided_denoiser(
    predict_noise: PredictNoise, full: Conditioning, null: Conditioning, weights: BranchWeights
) -> Denoiser:
    """The denoiser of eq. 7. Branches of weight zero are not computed; the others go through as one batch.

    Args:
        full: source and pose, (B, ...).
        null: the empty set for both, (B, ...).
    """
    branches = [(weights.null, null), (weights.pose, null.with_pose(full.pose_features)), (weights.full, full)]
    needed = [(weight, branch) for weight, branch in branches if weight != 0]
    batch = Conditioning.cat([branch for _, branch in needed]).cached()

    def denoise(z_t: Tensor, t: Tensor) -> Tensor:
        eps = predict_noise(z_t.repeat(len(needed), 1, 1, 1), t, batch).chunk(len(needed))
        return torch.stack([weight * branch for (weight, _), branch in zip(needed, eps, strict=True)]).sum(0)

    return denoise
