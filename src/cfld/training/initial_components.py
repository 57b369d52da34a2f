"""The data set of a run, and its components with the weights of `init_from` or random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

from cfld import build
from cfld.config.schema import DataConfig, ModelConfig, TrainConfig
from cfld.convert import load_scheduler
from cfld.data.base import PoseDataset
from cfld.data.registry import PROCEDURAL_DATASETS, open_dataset
from cfld.models import hybrid_granularity_attention
from cfld.models.loading import load_component


def open_data(config: DataConfig, split: str, size: tuple[int, int]) -> PoseDataset:
    """Opens a split of a data set folder, or a procedural data set with images of (height, width) `size`.

    Raises:
        ValueError: when a folder is needed and none is named, or as `open_dataset`.
    """
    if config.root is not None:
        return open_dataset(config.kind, config.root, split, skip_missing=config.skip_missing)
    if config.kind not in PROCEDURAL_DATASETS:
        raise ValueError(f"data.root is not set; name the folder of the {config.kind} data set")
    return PROCEDURAL_DATASETS[config.kind](
        identities=config.identities,
        poses=config.poses,
        seed=config.seed,
        split=split,
        size=size,
        cache_in_memory=config.cache_in_memory,
    )


def initial_components(config: TrainConfig) -> build.Components:
    """Loads each component from `init_from` where that folder has it; the others are random. On the CPU, in float32.

    Raises:
        ValueError: when the folder has none of them, or one whose dimensions are not the configuration's.
    """
    model, folder = config.model, Path(config.init_from) if config.init_from is not None else None
    if folder is not None and not any((folder / part).is_dir() for part in ("conditioner", "unet", "vae")):
        raise ValueError(f"{folder}: no initial model; expected conditioner/, unet/ or vae/ in it")

    def part(kind: type[Any], name: str, make: Callable[[], Any], expected: Mapping[str, Any]) -> Any:
        if folder is not None and (folder / name).is_dir():
            loaded = load_scheduler(folder) if kind is DDPMScheduler else load_component(kind, folder, name)
            _check_dimensions(f"{folder}/{name}", loaded.config, expected)
            return loaded
        torch.manual_seed(config.seed)
        return make()

    components = build.Components(
        part(
            build.CONDITIONERS[model.conditioner_class],
            "conditioner",
            lambda: build.build_conditioner(model.conditioner, model.conditioner_class),
            asdict(model.conditioner),
        ),
        part(UNet2DConditionModel, "unet", lambda: build.build_unet(model.unet), build.unet_arguments(model.unet)),
        part(AutoencoderKL, "vae", lambda: build.build_vae(model.vae), _vae_dimensions(model)),
        part(DDPMScheduler, "scheduler", lambda: build.build_scheduler(model.scheduler), asdict(model.scheduler)),
    )
    hybrid_granularity_attention.install(components.unet)
    return components


def _vae_dimensions(model: ModelConfig) -> dict[str, Any]:
    """The fields that must agree. The scaling factor is the saved VAE's own, and images may have any size."""
    shared = ("latent_channels", "block_out_channels", "layers_per_block")
    return {name: getattr(model.vae, name) for name in shared} | {"norm_num_groups": model.vae.norm_groups}


def _check_dimensions(where: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raises ValueError naming all fields in which a saved component differs from the run's configuration."""
    differing = [
        f"{name} {_plain(found.get(name))} instead of {_plain(value)}"
        for name, value in expected.items()
        if _plain(found.get(name)) != _plain(value)
    ]
    if differing:
        raise ValueError(f"{where} does not fit the configuration: {', '.join(differing)}; change config.model")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
