"""DREAM (Zhou et al., CVPR 2024): training inputs that contain the model's own error, as the sampler's do.

An option that is not in the paper.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from cfld.models.unet import predict_noise
from cfld.training.objective import CFLDObjective, add_noise, amounts
from cfld.types import Conditioning


class DREAMObjective(CFLDObjective):
    """`CFLDObjective` with rectified noise, at the cost of a second forward pass of the UNet."""

    def __init__(self, *components: Any, detail_preservation: float, **options: Any) -> None:
        """
        Args:
            components, options: as for `CFLDObjective`.
            detail_preservation: p, 0 or more; inputs contain less of the model's error for a higher one.
        """
        super().__init__(*components, **options)
        self.detail_preservation = detail_preservation

    def added_noise(self, z_0: Tensor, eps: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
        alpha_bar = self.alphas_cumprod[t]
        z_t = add_noise(z_0, eps, alpha_bar)
        # not under no_grad: autocast would cache weights without their graph for the forward pass that trains
        prediction = predict_noise(self.unet, z_t, t, conditioning).detach()
        estimate = estimated_noise(self.prediction_type, prediction, z_t, alpha_bar)
        return rectified_noise(eps, estimate, alpha_bar, self.detail_preservation)


def estimated_noise(prediction_type: str, prediction: Tensor, z_t: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise in z_t according to the UNet's prediction, eps or v. Shapes as for `add_noise`."""
    signal, noise = amounts(alpha_bar)
    return prediction if prediction_type == "epsilon" else signal * prediction + noise * z_t


def rectified_noise(eps: Tensor, estimate: Tensor, alpha_bar: Tensor, preservation: float) -> Tensor:
    """Noise with which eq. 1 gives z_t as if z_0 were the model's estimate; the training target still leads to z_0.

    Shapes as for `add_noise`.
    """
    _, noise = amounts(alpha_bar)
    # eps + lambda (eps - eps_theta), lambda = (1 - alpha_bar_t)^(p / 2)
    return eps + noise**preservation * (eps - estimate)
