"""The stage that trains a UNet to generate images from attributes, where Stable Diffusion's is not available."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from cfld.config.schema import UNetPretrainStageConfig
from cfld.data.base import AttributeDataset
from cfld.diffusion.guidance import guided_denoiser
from cfld.diffusion.sampling import sample
from cfld.diffusion.timesteps import sample_timesteps
from cfld.models.unet import predict_noise
from cfld.training.batches import AttributeSamples, NamedImages, Samples, attribute_numbers
from cfld.training.latent_cache import sample_moments
from cfld.training.objective import add_noise, check_prediction_type, training_target
from cfld.training.stages import PREVIEW_STEPS, StageContext, pil_images, sheet, spread
from cfld.types import Conditioning


class UNetPretrainStage:
    """The embeddings of the attributes are discarded after training."""

    def __init__(self, context: StageContext) -> None:
        config, options = context.config, context.config.stage
        assert isinstance(options, UNetPretrainStageConfig)
        if not isinstance(context.data, AttributeDataset):
            raise ValueError("UNet pretraining needs a data set with attributes: data.kind mannequin without data.root")
        self.config, self.device = config, context.accelerator.device
        self.data: AttributeDataset = context.data
        self.components, self.vae = context.components, context.frozen_vae()
        if config.gradient_checkpointing:
            self.components.unet.enable_gradient_checkpointing()
        self.objective: nn.Module = UNetPretrainObjective(
            self.components.unet,
            len(self.data.vocabulary),
            self.components.scheduler.alphas_cumprod,
            prediction_type=self.components.scheduler.config.prediction_type,
            condition_dropout=options.condition_dropout,
        )
        latents = context.cached_latents(self.data.names, options.latents)
        self.samples: Samples = AttributeSamples(dataset=self.data, latents=latents)

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        return {f"vae.{name}": p for name, p in self.vae.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        latents = sample_moments(batch["moments"], self.vae.config.scaling_factor)
        return {"attributes": batch["attributes"], "latents": latents}

    @torch.no_grad()
    def images(self) -> Image.Image:
        """Rows of an image and of the image generated from its attributes."""
        side, scheduler, unet = self.config.model.vae.sample_size, self.components.scheduler, self.components.unet
        names = spread(self.data.names, self.config.image_count)
        attributes = torch.stack([attribute_numbers(self.data, name) for name in names]).to(self.device)
        embedding = self.objective.get_submodule("embedding")
        full, null = (Conditioning(embedding(a)) for a in (attributes, torch.zeros_like(attributes)))
        denoise = guided_denoiser(lambda z, t, c: predict_noise(unet, z, t, c), full, null, w_pose=2, w_app=2)
        scheduler.set_timesteps(PREVIEW_STEPS)
        generator = torch.Generator().manual_seed(self.config.seed)
        noise = torch.randn(len(names), unet.config.in_channels, *[unet.config.sample_size] * 2, generator=generator)
        z_0 = sample(denoise, scheduler, scheduler.timesteps, noise.to(self.device), generator)
        columns = {
            "image": pil_images(NamedImages(self.data, names, side).stacked()),
            "from its attributes": pil_images(self.vae.decode(z_0 / self.vae.config.scaling_factor).sample),
        }
        return sheet(columns, cell=(side, side))

    def export(self, folder: Path) -> None:
        """Writes `unet/`, `vae/` and `scheduler/`, a folder for `init_from`."""
        for name in ("unet", "vae", "scheduler"):
            getattr(self.components, name).save_pretrained(folder / name)


class UNetPretrainObjective(nn.Module):
    """eq. 1 noise, uniform t, and attributes dropped at random. Uses torch's global random generator.

    Attributes:
        embedding: (attributes + 1, D); row 0, the empty attribute, replaces those that are dropped.
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
