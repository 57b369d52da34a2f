"""The engines by name, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from cfld.models.feature_cache import Features, reused
from cfld.models.unet import predict_noise
from cfld.registry import Registry
from cfld.types import Conditioning

CACHE: Final = Path("~/.cache/cfld")
"""Folder of what engines prepare once and keep."""


class Engine(Protocol):
    """Computes the UNet and the VAE's decoder; several threads may call it."""

    def predict_noise(
        self, unet: UNet2DConditionModel, z_t: Tensor, t: Tensor, conditioning: Conditioning, features: Features
    ) -> Tensor:
        """As `models.unet.predict_noise`, filling or using `features` where the feature cache is attached."""
        ...

    def decode(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        """(B, 4, h, w), the VAE's own latents -> (B, 3, H, W)."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """One call of the UNet in a sampling run, with the features as they were before it."""

    z_t: Tensor
    t: Tensor
    conditioning: Conditioning
    features: Features


Trajectories = Callable[[], Iterable[Evaluation]]
"""Samples a few people and returns all calls of the UNet, to calibrate number formats with."""


@dataclass(frozen=True)
class Preparation:
    """What an engine is made from.

    Attributes:
        dtype: one of the engine's.
        cache: folder for what it keeps.
        trajectories: see `Trajectories`.
    """

    dtype: str
    cache: Path
    trajectories: Trajectories


ENGINES: Final[Registry[Callable[[Preparation], Engine]]] = Registry(
    "engine",
    {
        "torch": "cfld.engines.base:TorchEngine",
        "openvino": "cfld.engines.openvino:OpenVINOEngine",
    },
)


class TorchEngine:
    """The modules as they are."""

    def __init__(self, preparation: Preparation | None = None) -> None:
        """Needs no preparation."""

    def predict_noise(
        self, unet: UNet2DConditionModel, z_t: Tensor, t: Tensor, conditioning: Conditioning, features: Features
    ) -> Tensor:
        with reused(features):
            return predict_noise(unet, z_t, t, conditioning)

    def decode(self, vae: AutoencoderKL, latents: Tensor) -> Tensor:
        image: Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
        return image
