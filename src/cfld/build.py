"""The composition root: configuration -> modules. The only file that knows both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from cfld.config.schema import ConditionerConfig, ModelConfig, SchedulerConfig, UNetConfig, VAEConfig
from cfld.models import hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.unet import freeze_except


@dataclass(frozen=True)
class Components:
    """The parts of a CFLD, as a saved model keeps them."""

    conditioner: Conditioner
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDPMScheduler


def build_components(config: ModelConfig) -> Components:
    """A CFLD with random weights, the attention processors installed."""
    return Components(
        conditioner=build_conditioner(config.conditioner),
        unet=build_unet(config.unet),
        vae=build_vae(config.vae),
        scheduler=build_scheduler(config.scheduler),
    )


def build_conditioner(config: ConditionerConfig) -> Conditioner:
    return Conditioner(**asdict(config))


def build_unet(config: UNetConfig) -> UNet2DConditionModel:
    if odd := [width for width in config.block_out_channels if width % config.num_heads]:
        raise ValueError(f"the UNet's channels must be divisible by its {config.num_heads} heads, got {odd[0]}")
    unet = UNet2DConditionModel(**unet_arguments(config))
    hybrid_granularity_attention.install(unet)
    return unet


def unet_arguments(config: UNetConfig) -> dict[str, Any]:
    """What `UNet2DConditionModel` is called with: cross-attention at all scales but the coarsest."""
    attended = len(config.block_out_channels) - 1
    return {
        "sample_size": config.sample_size,
        "in_channels": config.latent_channels,
        "out_channels": config.latent_channels,
        "block_out_channels": config.block_out_channels,
        "down_block_types": ("CrossAttnDownBlock2D",) * attended + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * attended,
        "layers_per_block": config.layers_per_block,
        "attention_head_dim": config.num_heads,  # diffusers' name for the number of heads
        "cross_attention_dim": config.prompt_dim,
        "norm_num_groups": config.norm_groups,
    }


def build_vae(config: VAEConfig) -> AutoencoderKL:
    levels = len(config.block_out_channels)
    return AutoencoderKL(
        sample_size=config.sample_size,
        latent_channels=config.latent_channels,
        block_out_channels=config.block_out_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_groups,
        scaling_factor=config.scaling_factor,
    )


def build_scheduler(config: SchedulerConfig) -> DDPMScheduler:
    """`set_alpha_to_one` is for the schedulers made from this one that know it (DDIM): as in Stable Diffusion."""
    return DDPMScheduler.from_config({**asdict(config), "clip_sample": False, "set_alpha_to_one": False})


@dataclass(frozen=True)
class ParameterCount:
    """Trainable parameters, component by component: table 1 of the paper."""

    H_S: int
    H_A: int
    H_D: int
    H_P: int
    null_prompt: int
    H_N_trainable: int
    H_N: int

    @property
    def total_trainable(self) -> int:
        return self.H_S + self.H_A + self.H_D + self.H_P + self.null_prompt + self.H_N_trainable


def count_parameters(config: ModelConfig, unet_weights: Any = "kv") -> ParameterCount:
    """Counts without allocating a weight: the modules are built on the meta device."""
    with torch.device("meta"):
        conditioner, unet = build_conditioner(config.conditioner), build_unet(config.unet)
    freeze_except(unet, unet_weights)
    return ParameterCount(
        H_S=_numel(conditioner.source_encoder),
        H_A=_numel(conditioner.appearance_encoders),
        H_D=_numel(conditioner.prompt_decoder),
        H_P=_numel(conditioner.pose_adapter),
        null_prompt=conditioner.null_prompt.numel(),
        H_N_trainable=sum(p.numel() for p in unet.parameters() if p.requires_grad),
        H_N=_numel(unet),
    )


def _numel(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
