"""The stage that trains the autoencoder, or its decoder alone, where Stable Diffusion's is not available."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.config.schema import VAEStageConfig
from cfld.data.transforms import resize
from cfld.training.batches import ImageSamples, NamedImages, Samples
from cfld.training.latent_cache import encode_moments, encoder_weights
from cfld.training.stages import StageContext, pil_images, sheet, spread

SCALE_IMAGES: Final = 256
"""Images that the scaling factor of the latents is measured on."""
DETAIL: Final = 1.5
"""Standard deviation in pixels of the blur that details are the difference to."""
NEIGHBOURHOOD: Final = 2.5
"""Standard deviation in pixels of the window in which their contrast is measured."""


class VAEStage:
    def __init__(self, context: StageContext) -> None:
        config, options = context.config, context.config.stage
        assert isinstance(options, VAEStageConfig)
        self.config, self.options, self.data, self.vae = config, options, context.data, context.components.vae
        self.frozen: Mapping[str, Tensor] = encoder_weights(self.vae) if options.vae_weights == "decoder" else {}
        for weight in self.frozen.values():
            weight.requires_grad_(False)
        if config.gradient_checkpointing:
            self.vae.enable_gradient_checkpointing()
        squeeze, side = options.loss_resolution == "output", config.model.vae.sample_size
        self.objective: nn.Module = VAEObjective(
            self.vae,
            options.kl_weight,
            squeeze=squeeze,
            latent_noise=options.latent_noise,
            contrast_weight=options.contrast_weight,
        )
        self.samples: Samples = ImageSamples(
            dataset=self.data,
            image_size=config.model.output_size if squeeze else (side, side),
            crop=options.crop,
            seed=config.seed,
        )

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(batch)

    @torch.no_grad()
    def images(self) -> Image.Image:
        """Rows of an image and its reconstruction."""
        side = self.config.model.vae.sample_size
        images = self._images(self.config.image_count)
        reconstructions = self.vae.decode(self.vae.encode(images.to(self.vae.device)).latent_dist.mode()).sample
        columns = {"image": pil_images(images), "autoencoder": pil_images(reconstructions)}
        return sheet(columns, cell=(side, side))

    def export(self, folder: Path) -> None:
        """Writes `vae/`, a folder for `init_from`. A new encoder's latents are scaled to a standard deviation of 1."""
        if self.options.vae_weights == "all":
            batches = self._images(SCALE_IMAGES).split(16)
            moments = [encode_moments(self.vae, batch.to(self.vae.device)) for batch in batches]
            self.vae.register_to_config(scaling_factor=scaling_factor(torch.cat(moments)))
        self.vae.save_pretrained(folder / "vae")

    def _images(self, count: int) -> Tensor:
        names = spread(self.data.names, count)
        return NamedImages(self.data, names, self.config.model.vae.sample_size).stacked()


class VAEObjective(nn.Module):
    """The autoencoder; called with images, returns its loss. Uses torch's global random generator."""

    def __init__(
        self,
        vae: AutoencoderKL,
        kl_weight: float,
        *,
        squeeze: bool = False,
        latent_noise: float = 0.0,
        contrast_weight: float = 0.0,
    ) -> None:
        """
        Args:
            squeeze: resize images to the autoencoder's square and reconstructions back to the images' size; otherwise
                the autoencoder takes images at their own size.
            latent_noise: standard deviation of the noise added to the decoder's input, relative to that of the latents,
                so that an encoder that trains as well cannot escape it by larger latents.
            contrast_weight: of `contrast_loss`.
        """
        super().__init__()
        self.vae, self.kl_weight, self.squeeze, self.latent_noise = vae, kl_weight, squeeze, latent_noise
        self.contrast_weight = contrast_weight

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, 3, H, W) in [-1, 1]; unless they are squeezed, H and W are multiples of the VAE's factor."""
        side, (height, width) = self.vae.config.sample_size, images.shape[-2:]
        posterior = self.vae.encode(resize(images, (side, side)) if self.squeeze else images).latent_dist
        latents = posterior.sample()
        if self.latent_noise:
            latents = latents + self.latent_noise * latents.std() * torch.randn_like(latents)
        reconstruction = self.vae.decode(latents).sample
        if self.squeeze:
            reconstruction = resize(reconstruction.float(), (height, width))
        loss = autoencoder_loss(reconstruction, images, posterior.mean, posterior.logvar, self.kl_weight)
        if self.contrast_weight:
            loss = loss + self.contrast_weight * contrast_loss(reconstruction, images)
        return loss


def autoencoder_loss(reconstruction: Tensor, images: Tensor, mean: Tensor, logvar: Tensor, kl_weight: float) -> Tensor:
    """|x - x'| + (x - x')^2 + kl_weight KL(N(mean, var) || N(0, 1)), per value of the images.

    Args:
        reconstruction, images: (B, 3, H, W).
        mean, logvar: (B, C, h, w).
    """
    error = reconstruction.float() - images
    divergence = 0.5 * (mean.float() ** 2 + logvar.float().exp() - 1 - logvar.float()).sum()
    return error.abs().mean() + error.square().mean() + kl_weight * divergence / images.numel()


def contrast_loss(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Mean distance of the local contrasts of fine details, which the distance of pixels alone blurs.

    Args:
        reconstruction, images: (B, 3, H, W).
    """
    return (local_contrast(reconstruction.float()) - local_contrast(images)).abs().mean()


def local_contrast(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, H, W): the deviation of details around each pixel, whatever their phase."""
    details = images - blurred(images, DETAIL)
    return (blurred(details.square(), NEIGHBOURHOOD) + 1e-6).sqrt()


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, 3, H, W); the edge is repeated."""
    radius = round(3 * sigma)
    x = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = F.pad(images, [radius] * 4, mode="replicate")
    rows = F.conv2d(padded, kernel, groups=images.shape[1])
    return F.conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])


def scaling_factor(moments: Tensor) -> float:
    """1 / standard deviation of latents with these posteriors. moments: (B, 2, C, h, w), mean and deviation of each."""
    mean, deviation = moments.double().unbind(1)
    return float(1 / (mean.var() + deviation.square().mean()).sqrt())
