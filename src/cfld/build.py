"""The composition root: builds modules from a configuration or a model folder. Only this file knows both."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from cfld.ablations.conditioners import ABLATED
from cfld.config.schema import ConditionerConfig, ModelConfig, SchedulerConfig, UNetConfig, VAEConfig
from cfld.models import hybrid_granularity_attention
from cfld.models.choices import TrainableWeights
from cfld.models.conditioner import Conditioner
from cfld.models.loading import component_config, load_component
from cfld.models.unet import freeze_except
from cfld.readers.text import load_object
from cfld.registry import Registry

CONDITIONERS: Final[Registry[type[Conditioner]]] = Registry(
    "conditioner", {cls.__name__: f"{cls.__module__}:{cls.__name__}" for cls in (Conditioner, *ABLATED)}
)
"""The method's conditioner and those of table 3's baselines, by class name."""
CLASSES: Final[dict[str, dict[str, type[Any]]]] = {
    "conditioner": dict(CONDITIONERS),
    "unet": {"UNet2DConditionModel": UNet2DConditionModel},
    "vae": {"AutoencoderKL": AutoencoderKL},
}
"""The components with weights, and the classes that each may have, the default first."""


@dataclass(frozen=True)
class Components:
    """The components of a CFLD, under the names of the saved model's subfolders."""

    conditioner: Conditioner
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDPMScheduler


def build_components(config: ModelConfig) -> Components:
    """Builds a CFLD with random weights and the attention processors installed."""
    return Components(
        conditioner=build_conditioner(config.conditioner, config.conditioner_class),
        unet=build_unet(config.unet),
        vae=build_vae(config.vae),
        scheduler=build_scheduler(config.scheduler),
    )


def build_conditioner(config: ConditionerConfig, class_name: str = "Conditioner") -> Conditioner:
    return CONDITIONERS[class_name](**asdict(config))


def build_unet(config: UNetConfig) -> UNet2DConditionModel:
    if indivisible := [width for width in config.block_out_channels if width % config.num_heads]:
        raise ValueError(f"the UNet's channels must be divisible by its {config.num_heads} heads, got {indivisible[0]}")
    unet = UNet2DConditionModel(**unet_arguments(config))
    hybrid_granularity_attention.install(unet)
    return unet


def unet_arguments(config: UNetConfig) -> dict[str, Any]:
    """Arguments of `UNet2DConditionModel`: cross-attention at all scales but the coarsest."""
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
    """Builds a DDPM scheduler. Its `set_alpha_to_one` is for DDIM made from its config, as in Stable Diffusion."""
    return DDPMScheduler.from_config({**asdict(config), "clip_sample": False, "set_alpha_to_one": False})


def check_model_folder(folder: Path) -> None:
    """Raises ValueError naming the first component that the model folder lacks."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(f"{folder}: no model_index.json; expected a model saved by this package (see cfld convert)")
    components = load_object(index)
    for name in (*CLASSES, "scheduler"):
        if name not in components:
            raise ValueError(f"{index}: no {name}; expected a CFLD model")
        config = "scheduler_config.json" if name == "scheduler" else "config.json"
        if not (folder / name / config).is_file():
            raise ValueError(f"{folder}: {name}/{config} is missing; copy the whole folder again")
        component_config(folder / name / config)
        if name in CLASSES and not any((folder / name).glob("*.safetensors")):
            raise ValueError(f"{folder}: no weights (*.safetensors) in {name}; copy the whole folder again")


def load_components(folder: Path, dtype: Any = None, torch_dtype: Any = None, **options: Any) -> dict[str, Any]:
    """Loads the components that are not among the options of `DiffusionPipeline.from_pretrained`, all weights checked.

    Args:
        dtype, torch_dtype: one dtype under its new and its old name, or one per component; default float32.

    Returns:
        the options, with the loaded components.

    Raises:
        ValueError: naming what is missing in the folder or does not load.
    """
    check_model_folder(folder)
    dtype = dtype or torch_dtype or torch.float32
    if {"device_map", "quantization_config"} & options.keys():  # diffusers must place the weights itself
        return {"torch_dtype": dtype, **options}
    dtypes = dtype if isinstance(dtype, dict) else {"default": dtype}
    shared = {name: options[name] for name in ("variant", "low_cpu_mem_usage") if name in options}
    for name in [name for name in CLASSES if name not in options]:
        component_dtype = dtypes.get(name, dtypes.get("default"))
        saved_class = str(load_object(folder / name / "config.json").get("_class_name", ""))
        # the default for an unknown class, at which `load_component` then raises
        cls = CLASSES[name].get(saved_class, next(iter(CLASSES[name].values())))
        options[name] = load_component(cls, folder, name, torch_dtype=component_dtype, **shared)
    return options


@dataclass(frozen=True)
class ParameterCount:
    """Number of trainable parameters per component (table 1 of the paper)."""

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


def count_parameters(config: ModelConfig, unet_weights: TrainableWeights = "kv") -> ParameterCount:
    """Counts on the meta device, without allocating weights."""
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
