"""The stages of training: `CFLDStage` is the method; `VAEStage` and `UNetPretrainStage` train what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from cfld.config.schema import TrainConfig
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.convert import save_model
from cfld.data.base import AttributeDataset, PoseDataset
from cfld.data.transforms import to_pil, to_uint8
from cfld.diffusion.guidance import branch_weights, guided_denoiser
from cfld.diffusion.sampling import sample
from cfld.files import whole_folder
from cfld.models.unet import freeze_except, predict_noise
from cfld.pipeline import CFLDPipeline, check_components
from cfld.poses.render import pose_map
from cfld.training.batches import AttributeSamples, ImageSamples, PairSamples, attribute_numbers, square
from cfld.training.initial_components import initial_components, open_data
from cfld.training.latent_cache import (
    LatentCache,
    build_latent_cache,
    encode_moments,
    encoder_weights,
    open_latent_cache,
    sample_moments,
)
from cfld.training.objective import CFLDObjective, UNetPretrainObjective, VAEObjective
from cfld.types import Conditioning

IMAGE_STEPS: Final = 20
"""Sampling steps of the images on a sheet."""
IMAGE_TITLES: Final = ("source", "target pose", "result", "truth")
SCALE_IMAGES: Final = 256
"""Images that an autoencoder's scaling factor is measured on."""


Samples: TypeAlias = PairSamples | ImageSamples | AttributeSamples


class Stage(Protocol):
    """What the loop asks of a stage.

    Attributes:
        objective: called with `inputs(batch)`, gives the loss. What of it requires a gradient trains.
        samples: what batches are made of, asked for by `batches.Key`.
        frozen: what must be the same when a run goes on.
    """

    objective: nn.Module
    samples: Samples

    @property
    def frozen(self) -> Mapping[str, Tensor]: ...

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The objective's arguments; random draws are made from torch's global generator."""

    def images(self) -> Image.Image:
        """What the model can do by now."""

    def export(self, folder: Path) -> None:
        """Writes the model; `folder` is new."""


class CFLDStage:
    """The method: everything but the VAE and the frozen weights of the UNet trains."""

    def __init__(self, config: TrainConfig, out: Path, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.data = open_data(config.data, "train", config.model.output_size)
        self.parts = initial_components(config)
        check_components(self.parts.conditioner, self.parts.unet, self.parts.vae)
        self.parts.vae.requires_grad_(False).eval().to(accelerator.device)
        freeze_except(self.parts.unet, config.unet_weights)
        if config.gradient_checkpointing:
            self.parts.unet.enable_gradient_checkpointing()
            self.parts.conditioner.enable_gradient_checkpointing()
        self.objective: nn.Module = CFLDObjective(
            self.parts.conditioner,
            self.parts.unet,
            self.parts.scheduler.alphas_cumprod,
            prediction_type=self.parts.scheduler.config.prediction_type,
            timestep_law=config.timestep_law,
            condition_dropout=config.condition_dropout,
            dropout_mode=config.dropout_mode,
            reconstruction_share=config.reconstruction_share,
            dream_detail_preservation=config.dream_detail_preservation,
        )
        self.samples: Samples = PairSamples(
            dataset=self.data,
            source_size=self.parts.conditioner.config.source_size,
            pose_size=self.parts.conditioner.pose_size,
            image_size=config.model.vae.sample_size,
            flip=config.flip,
            seed=config.seed,
            latents=self._latent_cache(out) if config.latent_cache else None,
        )

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        unet = {f"unet.{name}": p for name, p in self.parts.unet.named_parameters() if not p.requires_grad}
        return unet | {f"vae.{name}": p for name, p in self.parts.vae.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if "moments" in batch:
            moments = sources_then_targets(batch["moments"])
        else:
            with self.accelerator.autocast():
                moments = encode_moments(self.parts.vae, sources_then_targets(batch["images"]))
        return {
            "source_image": batch["source_image"],
            "poses": sources_then_targets(batch["poses"]),
            "latents": sample_moments(moments, self.parts.vae.config.scaling_factor),
        }

    def images(self) -> Image.Image:
        """Rows of source, target pose, what the model makes of them, and the truth."""
        data, size = self._shown_data(), self.config.model.output_size
        pairs = spread(data.pairs, self.config.image_count)
        sources, truths = ([to_pil(data.image(pair[i])) for pair in pairs] for i in (0, 1))
        poses = [data.keypoints(target) for _, target in pairs]
        pipe = CFLDPipeline(**vars(self.parts), output_size=size)
        pipe.set_progress_bar_config(disable=True)
        results = pipe(
            sources,
            [pose_map(pose, size=self.parts.conditioner.pose_size) for pose in poses],
            num_inference_steps=IMAGE_STEPS,
            generator=torch.Generator().manual_seed(self.config.seed),
        ).images
        drawn = [draw_pose(pose, size) for pose in poses]
        return contact_sheet(list(zip(sources, drawn, results, truths, strict=True)), IMAGE_TITLES, cell=size)

    def export(self, folder: Path) -> None:
        save_model(self.parts, folder, self.config.model.output_size)

    def _shown_data(self) -> PoseDataset:
        """The test split, or where there is none the training split."""
        try:
            return open_data(self.config.data, "test", self.config.model.output_size)
        except ValueError:
            return self.data

    def _latent_cache(self, out: Path) -> LatentCache:
        names = [name for pair in self.data.pairs for name in pair]
        return encoded_images(self.config, self.data, names, self.parts.vae, out, self.accelerator)


class UNetPretrainStage:
    """A UNet that draws from words; its words are forgotten once it is trained."""

    def __init__(self, config: TrainConfig, out: Path, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        data = open_data(config.data, "train", config.model.output_size)
        if not isinstance(data, AttributeDataset):
            raise ValueError("UNet pretraining needs a data set with attributes: data.kind mannequin without data.root")
        self.data: AttributeDataset = data
        self.parts = initial_components(config)
        self.parts.vae.requires_grad_(False).eval().to(accelerator.device)
        self.objective: nn.Module = UNetPretrainObjective(
            self.parts.unet,
            len(self.data.vocabulary),
            self.parts.scheduler.alphas_cumprod,
            prediction_type=self.parts.scheduler.config.prediction_type,
            condition_dropout=config.condition_dropout,
        )
        latents = encoded_images(config, self.data, self.data.names, self.parts.vae, out, accelerator)
        self.samples: Samples = AttributeSamples(dataset=self.data, latents=latents)

    @property
    def frozen(self) -> Mapping[str, Tensor]:
        return {f"vae.{name}": p for name, p in self.parts.vae.named_parameters()}

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "attributes": batch["attributes"],
            "latents": sample_moments(batch["moments"], self.parts.vae.config.scaling_factor),
        }

    @torch.no_grad()
    def images(self) -> Image.Image:
        """Rows of an image and of what the UNet draws from the words for it."""
        side, scheduler = self.config.model.vae.sample_size, self.parts.scheduler
        names = spread(self.data.names, self.config.image_count)
        attributes = torch.stack([attribute_numbers(self.data, name) for name in names]).to(self.accelerator.device)
        embedding = self.objective.get_submodule("embedding")
        full, null = (Conditioning(embedding(a)) for a in (attributes, torch.zeros_like(attributes)))
        unet, vae = self.parts.unet, self.parts.vae
        denoise = guided_denoiser(lambda z, t, c: predict_noise(unet, z, t, c), full, null, branch_weights(2, 2))
        scheduler.set_timesteps(IMAGE_STEPS)
        generator = torch.Generator().manual_seed(self.config.seed)
        noise = torch.randn(len(names), unet.config.in_channels, *[unet.config.sample_size] * 2, generator=generator)
        z_0 = sample(denoise, scheduler, scheduler.timesteps, noise.to(attributes.device), generator)
        made = to_uint8(vae.decode(z_0 / vae.config.scaling_factor).sample)
        shown = to_uint8(torch.stack([square(self.data.image(name), side) for name in names]))
        columns = [[to_pil(image) for image in batch] for batch in (shown, made)]
        return contact_sheet(list(zip(*columns, strict=True)), ("image", "from its attributes"), cell=(side, side))

    def export(self, folder: Path) -> None:
        """Writes `unet/`, `vae/` and `scheduler/`; `init_from` takes such a folder."""
        with whole_folder(folder) as temporary:
            for name in ("unet", "vae", "scheduler"):
                getattr(self.parts, name).save_pretrained(temporary / name)


class VAEStage:
    """The autoencoder, or its decoder alone."""

    def __init__(self, config: TrainConfig, out: Path, accelerator: Accelerator) -> None:  # noqa: ARG002
        self.config = config
        self.data = open_data(config.data, "train", config.model.output_size)
        self.vae = initial_components(config).vae
        self.frozen: Mapping[str, Tensor] = encoder_weights(self.vae) if config.vae_weights == "decoder" else {}
        for weight in self.frozen.values():
            weight.requires_grad_(False)
        if config.gradient_checkpointing:
            self.vae.enable_gradient_checkpointing()
        squeeze, side = config.loss_resolution == "output", config.model.vae.sample_size
        self.objective: nn.Module = VAEObjective(
            self.vae, config.kl_weight, squeeze=squeeze, latent_noise=config.latent_noise
        )
        self.samples: Samples = ImageSamples(
            dataset=self.data,
            image_size=config.model.output_size if squeeze else (side, side),
            crop=config.crop,
            seed=config.seed,
        )

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(batch)

    def images(self) -> Image.Image:
        """Rows of an image and its reconstruction."""
        side = self.config.model.vae.sample_size
        shown = self._some_images(self.config.image_count)
        with torch.no_grad():
            made = self.vae.decode(self.vae.encode(shown.to(self.vae.device)).latent_dist.mode()).sample
        columns = [[to_pil(image) for image in to_uint8(batch)] for batch in (shown, made)]
        return contact_sheet(list(zip(*columns, strict=True)), ("image", "autoencoder"), cell=(side, side))

    def export(self, folder: Path) -> None:
        """Writes `vae/` alone; `init_from` takes such a folder. A new encoder's latents are scaled to deviation 1."""
        if self.config.vae_weights == "all":
            self.vae.register_to_config(scaling_factor=self._measured_scale())
        with whole_folder(folder) as temporary:
            self.vae.save_pretrained(temporary / "vae")

    def _measured_scale(self) -> float:
        batches = self._some_images(SCALE_IMAGES).split(16)
        return scaling_factor(torch.cat([encode_moments(self.vae, batch.to(self.vae.device)) for batch in batches]))

    def _some_images(self, count: int) -> Tensor:
        names = spread(self.data.names, count)
        return torch.stack([square(self.data.image(name), self.config.model.vae.sample_size) for name in names])


STAGES: Final[dict[str, Callable[[TrainConfig, Path, Accelerator], Stage]]] = {
    "cfld": CFLDStage,
    "vae": VAEStage,
    "base": UNetPretrainStage,
}
"""By `TrainConfig.stage`; called with the configuration, the run's folder and the accelerator."""


def encoded_images(
    config: TrainConfig,
    data: PoseDataset,
    names: Sequence[str],
    vae: AutoencoderKL,
    out: Path,
    accelerator: Accelerator,
) -> LatentCache:
    """The named images, encoded; what is not there yet is encoded now."""
    images = NamedImages(data, sorted(set(names)), config.model.vae.sample_size)
    cache = open_latent_cache(config.latents or out / "latents", vae, images.names, images)
    if accelerator.is_main_process:
        build_latent_cache(cache, vae, images, workers=config.data.workers)
    accelerator.wait_for_everyone()
    return cache


@dataclass(frozen=True)
class NamedImages(Dataset[Tensor]):
    """The named images of a data set as squares, (3, side, side) in [-1, 1]."""

    data: PoseDataset
    names: Sequence[str]
    side: int

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        return square(self.data.image(self.names[index]), self.side)


def scaling_factor(moments: Tensor) -> float:
    """1 / deviation of latents with these posteriors. (B, 2, C, h, w): mean and deviation of each."""
    mean, deviation = moments.double().unbind(1)
    return float(1 / (mean.var() + deviation.square().mean()).sqrt())


def sources_then_targets(pairs: Tensor) -> Tensor:
    """(B, 2, ...) -> (2B, ...)."""
    return pairs.transpose(0, 1).flatten(0, 1)


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """Up to `count` items, evenly spread."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
