"""What is minimised: eq. 3, 5 and 6 of the paper, and the loss of the autoencoder that the method stands on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.data.transforms import resize
from cfld.diffusion.timesteps import TimestepLaw, sample_timesteps
from cfld.models.choices import DropoutMode
from cfld.models.conditioner import Conditioner, DropoutMasks, sample_dropout
from cfld.models.unet import predict_noise
from cfld.types import Conditioning


def add_noise(z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """eq. 1: z_t = sqrt(alpha_bar_t) z_0 + sqrt(1 - alpha_bar_t) eps.

    Args:
        z_0, eps: (B, C, h, w).
        alpha_bar: (B,), the noise schedule's cumulative product at each sample's t.
    """
    signal, noise = _amounts(alpha_bar)
    return signal * z_0 + noise * eps


def velocity(z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """v = sqrt(alpha_bar_t) eps - sqrt(1 - alpha_bar_t) z_0 (Salimans and Ho, 2022). Shapes as `add_noise`."""
    signal, noise = _amounts(alpha_bar)
    return signal * eps - noise * z_0


def check_prediction_type(prediction_type: str) -> str:
    """Returns it; ValueError unless `epsilon` or `v_prediction`: what the UNet is to give."""
    if prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(f"prediction_type is epsilon or v_prediction, got {prediction_type!r}")
    return prediction_type


def training_target(prediction_type: str, z_0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """What the UNet is to give. Shapes as `add_noise`."""
    return eps if prediction_type == "epsilon" else velocity(z_0, eps, alpha_bar)


def estimated_noise(prediction_type: str, prediction: Tensor, z_t: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise that the UNet's output says is in z_t. Shapes as `add_noise`."""
    signal, noise = _amounts(alpha_bar)
    return prediction if prediction_type == "epsilon" else signal * prediction + noise * z_t


def rectified_noise(eps: Tensor, estimate: Tensor, alpha_bar: Tensor, preservation: float) -> Tensor:
    """DREAM (Zhou et al., CVPR 2024): eps + lambda (eps - estimate), lambda = (1 - alpha_bar)^(preservation / 2).

    eq. 1 with it puts z_0 where the sampler would see it, in the model's own estimate; the target still leads to z_0.
    Shapes as `add_noise`.
    """
    _, noise = _amounts(alpha_bar)
    return eps + noise**preservation * (eps - estimate)


def overall_loss(prediction: Tensor, target: Tensor, reconstructed: int) -> Tensor:
    """eq. 6: L_overall = L_mse + L_rec, each a mean over its rows (half the sum, as released).

    Args:
        prediction, target: (R + B, C, h, w): first R rows of sources, whose error is eq. 5, then targets', eq. 3.
        reconstructed: R, at least 1.
    """
    error = (prediction.float() - target.float()).square()
    L_rec, L_mse = error[:reconstructed].mean(), error[reconstructed:].mean()
    return (L_rec + L_mse) / 2


class CFLDObjective(nn.Module):
    """Conditioner and UNet, called with a batch, give the loss of eq. 6. Draws from torch's global generator."""

    def __init__(
        self,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        alphas_cumprod: Tensor,
        *,
        prediction_type: str = "epsilon",
        timestep_law: TimestepLaw = "cubic",
        condition_dropout: float = 0.2,
        dropout_mode: DropoutMode = "joint",
        reconstruction_share: float = 1.0,
        dream_detail_preservation: float | None = None,
    ) -> None:
        """
        Args:
            alphas_cumprod: (T,), the scheduler's.
            prediction_type: `epsilon` or `v_prediction`: what the UNet is to give.
            condition_dropout: eta.
            reconstruction_share: of a batch's sources, how many eq. 5 is estimated from; at least one.
            dream_detail_preservation: trains on inputs with the model's own error in them (`rectified_noise`).

        Raises:
            ValueError: for another prediction type.
        """
        super().__init__()
        self.conditioner, self.unet = conditioner, unet
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", alphas_cumprod, persistent=False)
        self.prediction_type, self.timestep_law = check_prediction_type(prediction_type), timestep_law
        self.condition_dropout, self.dropout_mode = condition_dropout, dropout_mode
        self.reconstruction_share = reconstruction_share
        self.dream_detail_preservation = dream_detail_preservation

    def forward(self, source_image: Tensor, poses: Tensor, latents: Tensor) -> Tensor:
        """
        Args:
            source_image: (B, 3, H, W) in [-1, 1].
            poses: (2B, 21, H, W), the pose maps x_sp of all sources, then x_tp of all targets.
            latents: (2B, C, h, w), z_0 of all sources, then of all targets.
        """
        pairs = len(source_image)
        reconstructed = max(1, round(self.reconstruction_share * pairs))
        owners = [*range(reconstructed), *range(pairs)]
        latents, poses = (torch.cat([x[:reconstructed], x[pairs:]]) for x in (latents, poses))
        rows = len(latents)
        eps = torch.randn(latents.shape, device=latents.device)
        t = sample_timesteps(rows, len(self.alphas_cumprod), self.timestep_law, device=latents.device)
        dropped = self._dropped(rows, latents.device)
        source = self.conditioner.encode_source(source_image).select(owners)
        conditioning = self.conditioner.drop(source.with_pose(self.conditioner.encode_pose(poses)), dropped)
        alpha_bar = self.alphas_cumprod[t]
        if self.dream_detail_preservation is not None:
            z_t = add_noise(latents, eps, alpha_bar)
            # not under no_grad: autocast would keep weights without their graph for the forward that trains
            prediction = predict_noise(self.unet, z_t, t, conditioning).detach()
            estimate = estimated_noise(self.prediction_type, prediction, z_t, alpha_bar)
            eps = rectified_noise(eps, estimate, alpha_bar, self.dream_detail_preservation)
        prediction = predict_noise(self.unet, add_noise(latents, eps, alpha_bar), t, conditioning)
        target = training_target(self.prediction_type, latents, eps, alpha_bar)
        return overall_loss(prediction, target, reconstructed)

    def _dropped(self, rows: int, device: torch.device) -> DropoutMasks:
        masks = sample_dropout(rows, self.condition_dropout, self.dropout_mode)
        return DropoutMasks(masks.prompt.to(device), masks.bias.to(device), masks.pose.to(device))


class UNetPretrainObjective(nn.Module):
    """A UNet that draws from words: eq. 1 noise, uniform t, words left out now and then. Draws as `CFLDObjective`.

    Attributes:
        embedding: (words + 1, D); row 0, the empty word, stands where words are left out.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vocabulary: int,
        alphas_cumprod: Tensor,
        *,
        prediction_type: str = "epsilon",
        condition_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.unet = unet
        self.embedding = nn.Embedding(vocabulary, unet.config.cross_attention_dim)
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", alphas_cumprod, persistent=False)
        self.prediction_type = check_prediction_type(prediction_type)
        self.condition_dropout = condition_dropout

    def forward(self, attributes: Tensor, latents: Tensor) -> Tensor:
        """
        Args:
            attributes: int64 (B, N), numbers of the data set's vocabulary.
            latents: (B, C, h, w), z_0.
        """
        eps = torch.randn(latents.shape, device=latents.device)
        t = sample_timesteps(len(latents), len(self.alphas_cumprod), "uniform", device=latents.device)
        kept = (torch.rand(len(latents)) >= self.condition_dropout).to(attributes.device)
        alpha_bar = self.alphas_cumprod[t]
        prompt = Conditioning(self.embedding(attributes * kept[:, None]))
        prediction = predict_noise(self.unet, add_noise(latents, eps, alpha_bar), t, prompt)
        target = training_target(self.prediction_type, latents, eps, alpha_bar)
        return F.mse_loss(prediction.float(), target.float())


class VAEObjective(nn.Module):
    """The autoencoder, called with images, gives its loss. Draws from torch's global generator."""

    def __init__(
        self, vae: AutoencoderKL, kl_weight: float, *, squeeze: bool = False, latent_noise: float = 0.0
    ) -> None:
        """
        Args:
            latent_noise: deviation of noise on what the decoder gets, as a share of these latents' own: an encoder that
                trains too must not escape it by larger latents.
            squeeze: the autoencoder sees images as squares of its size, and what it makes is compared at theirs;
                otherwise it sees them as they are.
        """
        super().__init__()
        self.vae, self.kl_weight, self.squeeze, self.latent_noise = vae, kl_weight, squeeze, latent_noise

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, 3, H, W) in [-1, 1]; unless they are squeezed, sides are multiples of the VAE's factor."""
        side, (height, width) = self.vae.config.sample_size, images.shape[-2:]
        posterior = self.vae.encode(resize(images, (side, side)) if self.squeeze else images).latent_dist
        latents = posterior.sample()
        if self.latent_noise:
            latents = latents + self.latent_noise * latents.std() * torch.randn_like(latents)
        reconstruction = self.vae.decode(latents).sample
        if self.squeeze:
            reconstruction = resize(reconstruction.float(), (height, width))
        return autoencoder_loss(reconstruction, images, posterior.mean, posterior.logvar, self.kl_weight)


def autoencoder_loss(reconstruction: Tensor, images: Tensor, mean: Tensor, logvar: Tensor, kl_weight: float) -> Tensor:
    """|x - x'| + (x - x')^2 + kl_weight KL(N(mean, var) || N(0, 1)), a value of the image.

    Args:
        reconstruction, images: (B, 3, H, W).
        mean, logvar: (B, C, h, w).
    """
    error = reconstruction.float() - images
    divergence = 0.5 * (mean.float() ** 2 + logvar.float().exp() - 1 - logvar.float()).sum()
    return error.abs().mean() + error.square().mean() + kl_weight * divergence / images.numel()


def _amounts(alpha_bar: Tensor) -> Sequence[Tensor]:
    """(B,) -> how much of the signal and of the noise there is, each (B, 1, 1, 1)."""
    return alpha_bar.sqrt()[:, None, None, None], (1 - alpha_bar).sqrt()[:, None, None, None]
