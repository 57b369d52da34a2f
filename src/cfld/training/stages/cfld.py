"""The stage that trains the method: everything but the VAE and the frozen weights of the UNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cfld.build import Components
from cfld.config.schema import CFLDStageConfig
from cfld.models.unet import freeze_except
from cfld.pipeline import check_components
from cfld.training.batches import PairSamples, Samples, paired_names, sources_then_targets
from cfld.training.dream import DREAMObjective
from cfld.training.latent_cache import encode_moments, sample_moments
from cfld.training.objective import CFLDObjective
from cfld.training.stages import StageContext, generated_sheet, make_pipeline


class CFLDStage:
    def __init__(self, context: StageContext) -> None:
        config, options = context.config, context.config.stage
        assert isinstance(options, CFLDStageConfig)
        self.context, self.options, self.accelerator = context, options, context.accelerator
        self.components, self.vae = context.components, context.frozen_vae()
        check_components(self.components.conditioner, self.components.unet, self.vae)
        freeze_except(self.components.unet, options.unet_weights)
        if config.gradient_checkpointing:
            self.components.unet.enable_gradient_checkpointing()
            self.components.conditioner.enable_gradient_checkpointing()
        self.objective = make_objective(options, self.components)
        names = paired_names(context.data)
        self.samples: Samples = PairSamples(
            dataset=context.data,
            source_size=self.components.conditioner.config.source_size,
            pose_size=self.components.conditioner.pose_size,
            image_size=config.model.vae.sample_size,
            flip=options.flip,
            seed=config.seed,
            latents=context.cached_latents(names, options.latents) if options.latent_cache else None,
        )

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        unet = {f"unet.{name}": p for name, p in self.components.unet.named_parameters() if not p.requires_grad}
        return unet | {f"vae.{name}": p for name, p in self.vae.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if "moments" in batch:
            moments = sources_then_targets(batch["moments"])
        else:
            with self.accelerator.autocast():
                moments = encode_moments(self.vae, sources_then_targets(batch["images"]))
        latents = sample_moments(moments, self.vae.config.scaling_factor)
        share = self.options.reconstruction_share
        return {
            "source_image": batch["source_image"],
            "poses": share_of_sources(sources_then_targets(batch["poses"]), share),
            "latents": share_of_sources(latents, share),
        }

    def images(self) -> Image.Image:
        """Rows of source, target pose, generated image and true image."""
        return generated_sheet(self.context)

    def export(self, folder: Path) -> None:
        make_pipeline(self.context).save_pretrained(folder)


def make_objective(options: CFLDStageConfig, components: Components) -> CFLDObjective:
    """The objective of eq. 6, with DREAM where the options say so."""
    p = options.dream_detail_preservation
    kind, dream = (CFLDObjective, {}) if p is None else (DREAMObjective, {"detail_preservation": p})
    return kind(
        components.conditioner,
        components.unet,
        components.scheduler.alphas_cumprod,
        prediction_type=components.scheduler.config.prediction_type,
        timestep_law=options.timestep_law,
        condition_dropout=options.condition_dropout,
        dropout_mode=options.dropout_mode,
        **dream,
    )


def share_of_sources(rows: Tensor, share: float) -> Tensor:
    """(2B, ...), sources then targets -> (R + B, ...): R = share B of the sources, at least one, and all targets."""
    B = len(rows) // 2
    R = max(1, round(share * B))
    return torch.cat([rows[:R], rows[B:]])
