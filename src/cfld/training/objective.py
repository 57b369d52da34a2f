"""The method's loss: eq. 1, 3, 5 and 6 of the paper."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from cfld.diffusion.timesteps import sample_timesteps
from cfld.models.choices import DropoutMode
from cfld.models.conditioner import Conditioner, sample_dropout
from cfld.models.unet import predict_noise
from cfld.types import Conditioning


def add_noise(z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """The forward process of diffusion.

    Args:
        z_0, eps: (B, C, h, w).
        alpha_bar: (B,), the noise schedule's cumulative product at each sample's t.
    """
    signal, noise = amounts(alpha_bar)
    # eq. 1: z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps
    return signal * z_0 + noise * eps


def velocity(z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """The target of v-prediction (Salimans and Ho, 2022). Shapes as for `add_noise`."""
    signal, noise = amounts(alpha_bar)
    # v_t = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) z_0
    return signal * eps - noise * z_0


def training_target(prediction_type: str, z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """What the UNet is trained to predict, eps or v. Shapes as for `add_noise`."""
    return eps if prediction_type == "epsilon" else velocity(z_0, eps, alpha_bar)


def estimated_image(prediction_type: str, prediction: Tensor, z_t: Tensor, alpha_bar: Tensor) -> Tensor:
    """z_0 according to the UNet's prediction, eps or v. Shapes as for `add_noise`."""
    signal, noise = amounts(alpha_bar)
    # eq. 1 solved for z_0
    return (z_t - noise * prediction) / signal if prediction_type == "epsilon" else signal * z_t - noise * prediction


def amounts(alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) -> the factors of signal and noise in z_t, (B, 1, 1, 1) each."""
    return alpha_bar.sqrt()[:, None, None, None], (1 - alpha_bar).sqrt()[:, None, None, None]


def mse_loss(eps: Tensor, eps_theta: Tensor) -> Tensor:
    """The error on target images, from the source in the target pose. (B, C, h, w) each; v in place of eps likewise."""
    # eq. 3: L_mse = E || eps - eps_theta(z_t, t, x_s, x_tp) ||^2
    return (eps.float() - eps_theta.float()).square().mean()


def reconstruction_loss(eps: Tensor, eps_theta: Tensor) -> Tensor:
    """The error on source images, from the source in its own pose. Arguments as for `mse_loss`."""
    # eq. 5: L_rec = E || eps - eps_theta(z_t, t, x_s, x_sp) ||^2
    return (eps.float() - eps_theta.float()).square().mean()


def overall_loss(L_mse: Tensor, L_rec: Tensor) -> Tensor:
    """The training loss, half of the paper's: the released code takes one mean over all 2B rows."""
    # eq. 6: L_overall = L_mse + L_rec
    return (L_mse + L_rec) / 2


def check_prediction_type(prediction_type: str) -> str:
    """Returns the argument; raises ValueError unless it is `epsilon` or `v_prediction`."""
    if prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(f"prediction_type must be epsilon or v_prediction, got {prediction_type!r}")
    return prediction_type


class CFLDObjective(nn.Module):
    """Conditioner and UNet; called with a batch, returns the loss of eq. 6. Uses torch's global random generator."""

    def __init__(
        self,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        alphas_cumprod: Tensor,
        *,
        prediction_type: str = "epsilon",
        timestep_law: str = "cubic",
        condition_dropout: float = 0.2,
        dropout_mode: DropoutMode = "joint",
    ) -> None:
        """
        Args:
            alphas_cumprod: (T,), the scheduler's.
            prediction_type: `epsilon` or `v_prediction`, what the UNet predicts.
            timestep_law: a name of `TIMESTEP_LAWS`.
            condition_dropout: eta.

        Raises:
            ValueError: for another prediction type.
        """
        super().__init__()
        self.conditioner, self.unet = conditioner, unet
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", alphas_cumprod, persistent=False)
        self.prediction_type, self.timestep_law = check_prediction_type(prediction_type), timestep_law
        self.condition_dropout, self.dropout_mode = condition_dropout, dropout_mode

    def forward(self, source_image: Tensor, poses: Tensor, latents: Tensor) -> Tensor:
        """
        Args:
            source_image: (B, 3, H, W) in [-1, 1].
            poses: (R + B, 21, H, W): the pose maps x_sp of the first R sources, then x_tp of all targets. R = B in the
                paper; any R of at least 1 will do.
            latents: (R + B, C, h, w): z_0 of the same sources, then of all targets.
        """
        B = len(source_image)
        R = len(latents) - B
        eps = torch.randn(latents.shape, device=latents.device)
        t = sample_timesteps(R + B, len(self.alphas_cumprod), self.timestep_law, device=latents.device)
        dropped = sample_dropout(R + B, self.condition_dropout, self.dropout_mode)
        source = self.conditioner.encode_source(source_image).select([*range(R), *range(B)])
        conditioning = self.conditioner.drop(source.with_pose(self.conditioner.encode_pose(poses)), dropped)
        eps = self.added_noise(latents, eps, t, conditioning)
        prediction = predict_noise(self.unet, add_noise(latents, eps, self.alphas_cumprod[t]), t, conditioning)
        target = training_target(self.prediction_type, latents, eps, self.alphas_cumprod[t])
        return overall_loss(mse_loss(target[R:], prediction[R:]), reconstruction_loss(target[:R], prediction[:R]))

    def added_noise(self, z_0: Tensor, eps: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:  # noqa: ARG002
        """The noise of eq. 1, eps itself; `training.dream` overrides it."""
        return eps
