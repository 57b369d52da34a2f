"""The stage that trains a UNet to generate images from attributes and poses, in place of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn

from cfld.config.schema import TrainConfig, UNetPretrainStageConfig
from cfld.data.base import AttributeDataset
from cfld.data.transforms import to_pil
from cfld.diffusion.timesteps import sample_timesteps
from cfld.models.attribute_encoder import AttributeEncoder
from cfld.models.conditioner import Conditioner, sample_dropout
from cfld.models.loading import load_component
from cfld.models.unet import predict_noise
from cfld.training.batches import AttributeSamples, Samples, attribute_numbers
from cfld.training.latent_cache import sample_moments
from cfld.training.objective import add_noise, check_prediction_type, mse_loss, training_target
from cfld.training.stages import StageContext, export_components, preview, sheet, spread
from cfld.types import Conditioning, SourceConditioning

WINDOW: Final = 2
"""Side of the latents divided by the side of a window."""


class UNetPretrainStage:
    """Trains the UNet, H_P, the null prompt, and an encoder of attributes in place of H_S and H_D."""

    def __init__(self, context: StageContext) -> None:
        config, options = context.config, context.config.stage
        assert isinstance(options, UNetPretrainStageConfig)
        if not isinstance(context.data, AttributeDataset):
            raise ValueError("UNet pretraining needs a data set with attributes: data.kind mannequin without data.root")
        self.context = context
        self.data: AttributeDataset = context.data
        self.components, self.vae = context.components, context.frozen_vae()
        if config.gradient_checkpointing:
            self.components.unet.enable_gradient_checkpointing()
        freeze_source_side(self.components.conditioner)
        self.encoder = attribute_encoder(config, self.data)
        self.objective: nn.Module = UNetPretrainObjective(
            self.encoder,
            self.components.conditioner,
            self.components.unet,
            self.components.scheduler.alphas_cumprod,
            prediction_type=self.components.scheduler.config.prediction_type,
            timestep_law=options.timestep_law,
            condition_dropout=options.condition_dropout,
            window_share=options.window_share,
        )
        self.samples: Samples = AttributeSamples(
            dataset=self.data,
            pose_size=self.components.conditioner.pose_size,
            latents=context.cached_latents(self.data.names, options.latents),
        )

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        return {f"vae.{name}": p for name, p in self.vae.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        latents = sample_moments(batch["moments"], self.vae.config.scaling_factor)
        return {"attributes": batch["attributes"], "poses": batch["poses"], "latents": latents}

    @torch.no_grad()
    def images(self) -> Image.Image:
        """Rows of an image and of the image generated from its attributes and pose."""
        size = self.context.config.model.output_size
        names = spread(self.data.names, self.context.config.image_count)
        attributes = torch.stack([attribute_numbers(self.data, name) for name in names])
        source = SourceConditioning(self.encoder(attributes.to(self.context.accelerator.device)), {})
        columns = {
            "image": [to_pil(self.data.image(name)) for name in names],
            "from its attributes": preview(self.context, source, [self.data.keypoints(name) for name in names]),
        }
        return sheet(columns, cell=size)

    def export(self, folder: Path) -> None:
        """Writes all components and `attribute_encoder/`, a folder for `init_from`."""
        export_components(self.components, folder)
        self.encoder.save_pretrained(folder / "attribute_encoder")


def freeze_source_side(conditioner: Conditioner) -> None:
    """Freezes H_S, H_D and H_A."""
    for part in (conditioner.source_encoder, conditioner.prompt_decoder, conditioner.appearance_encoders):
        part.requires_grad_(False)


def attribute_encoder(config: TrainConfig, data: AttributeDataset) -> AttributeEncoder:
    """The encoder of the initial model where it has one, else a new one with random weights.

    Its prompt has as many tokens as the model's own; where the data set has more phrases, several share a token.
    """
    folder = Path(config.init_from or "") / "attribute_encoder"
    if config.init_from is not None and folder.is_dir():
        return load_component(AttributeEncoder, folder.parent, folder.name)
    queries, phrases = config.model.conditioner.num_queries, max(data.phrases) + 1
    tokens = [phrase * min(queries, phrases) // phrases for phrase in data.phrases]
    return AttributeEncoder(len(data.vocabulary), tokens, queries, config.model.unet.prompt_dim)


class UNetPretrainObjective(nn.Module):
    """eq. 1 with attributes in place of the source image. Uses torch's global random generator."""

    def __init__(
        self,
        encoder: AttributeEncoder,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        alphas_cumprod: Tensor,
        *,
        prediction_type: str = "epsilon",
        timestep_law: str = "uniform",
        condition_dropout: float = 0.1,
        window_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.conditioner, self.unet = encoder, conditioner, unet
        self.alphas_cumprod: Tensor
        self.register_buffer("alphas_cumprod", alphas_cumprod, persistent=False)
        self.prediction_type, self.timestep_law = check_prediction_type(prediction_type), timestep_law
        self.condition_dropout, self.window_share = condition_dropout, window_share

    def forward(self, attributes: Tensor, poses: Tensor, latents: Tensor) -> Tensor:
        """
        Args:
            attributes: int64 (B, N), numbers of the data set's vocabulary.
            poses: (B, 21, H, W), pose maps.
            latents: (B, C, h, w), z_0.
        """
        if torch.rand(()) < self.window_share:
            latents, poses = windows(latents), windows(poses)
            attributes = attributes.repeat(len(latents) // len(attributes), 1)
        B = len(latents)
        eps = torch.randn(latents.shape, device=latents.device)
        t = sample_timesteps(B, len(self.alphas_cumprod), self.timestep_law, device=latents.device)
        alpha_bar = self.alphas_cumprod[t]
        conditioning = self.conditioner.drop(
            Conditioning(self.encoder(attributes), pose_features=self.conditioner.encode_pose(poses)),
            sample_dropout(B, self.condition_dropout, "independent"),
        )
        prediction = predict_noise(self.unet, add_noise(latents, eps, alpha_bar), t, conditioning)
        return mse_loss(training_target(self.prediction_type, latents, eps, alpha_bar), prediction)


def windows(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (3B, C, h / 2, w / 2): the upper, middle and lower window of each map's middle columns.

    People stand there, so that more of a window is cloth than of the whole image.
    """
    height, width = (side // WINDOW for side in maps.shape[-2:])
    middle = maps[..., width // 2 : width // 2 + width]
    return torch.cat([middle[..., top : top + height, :] for top in (0, height // 2, height)])
