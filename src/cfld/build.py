"""The composition root: a configuration, or a saved model's folder, -> modules. The only file that knows both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from cfld.ablations.conditioners import ABLATED
from cfld.config.schema import ConditionerConfig, ModelConfig, SchedulerConfig, UNetConfig, VAEConfig
from cfld.files import load_object
from cfld.models import hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.folder import load_part
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
        conditioner=build_conditioner(config.conditioner, config.conditioner_class),
        unet=build_unet(config.unet),
        vae=build_vae(config.vae),
        scheduler=build_scheduler(config.scheduler),
    )


CONDITIONERS: Final[dict[str, type[Conditioner]]] = {kind.__name__: kind for kind in (Conditioner, *ABLATED)}
"""The method's conditioner and those of table 3's baselines, by the names in `ModelConfig` and saved models."""


MODELS: Final[dict[str, dict[str, type[Any]]]] = {
    "conditioner": {**CONDITIONERS},
    "unet": {"UNet2DConditionModel": UNet2DConditionModel},
    "vae": {"AutoencoderKL": AutoencoderKL},
}
"""The parts of a model folder that hold weights, and the classes that each may be of, the usual one first."""


def conditioner_class(name: str) -> type[Conditioner]:
    if name not in CONDITIONERS:
        raise ValueError(f"no conditioner {name!r}; there are {', '.join(CONDITIONERS)}")
    return CONDITIONERS[name]


def build_conditioner(config: ConditionerConfig, kind: str = "Conditioner") -> Conditioner:
    return conditioner_class(kind)(**asdict(config))


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


def check_model_folder(folder: Path) -> None:
    """Raises ValueError naming the first part of a model that the folder does not hold."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(f"{folder}: no model_index.json; expected a model saved by this package (see cfld convert)")
    parts = load_object(index)
    for part in (*MODELS, "scheduler"):
        if part not in parts:
            raise ValueError(f"{index}: names no {part}; this is no CFLD model")
        wanted = "scheduler_config.json" if part == "scheduler" else "config.json"
        if not (folder / part / wanted).is_file():
            raise ValueError(f"{folder}: {part}/{wanted} is missing; copy the whole folder again")
        if part in MODELS and not any((folder / part).glob("*.safetensors")):
            raise ValueError(f"{folder}: no weights (*.safetensors) in {part}; copy the whole folder again")


def load_models(folder: Path, dtype: Any = None, torch_dtype: Any = None, **options: Any) -> dict[str, Any]:
    """Adds to the options of `from_pretrained` the parts that the caller does not bring, all weights accounted for.

    Args:
        dtype, torch_dtype: the same by its new name and its old one; float32 where neither is given.

    Raises:
        ValueError: naming what is missing in the folder or does not load.
    """
    check_model_folder(folder)
    dtype = dtype or torch_dtype or torch.float32
    if {"device_map", "quantization_config"} & options.keys():  # diffusers must place the weights itself
        return {"torch_dtype": dtype, **options}
    dtypes = dtype if isinstance(dtype, dict) else {"default": dtype}
    passed_on = {name: options[name] for name in ("variant", "low_cpu_mem_usage") if name in options}
    loaded = {
        part: load_part(
            _kind(folder, part), folder, part, torch_dtype=dtypes.get(part, dtypes.get("default")), **passed_on
        )
        for part in MODELS
        if part not in options
    }
    return {**loaded, **options}


def _kind(folder: Path, part: str) -> type[Any]:
    """The class that a part was saved as; what is no such class, `load_part` refuses."""
    saved = load_object(folder / part / "config.json").get("_class_name", "")
    return MODELS[part].get(saved, next(iter(MODELS[part].values())))


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
        conditioner, unet = build_conditioner(config.conditioner, config.conditioner_class), build_unet(config.unet)
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
