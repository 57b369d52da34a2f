"""The stages of training. A new one is a file here, a row of `STAGES`, and a `StageConfig` with the row's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

import torch
from accelerate import Accelerator
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn

from cfld.build import Components
from cfld.config.schema import TrainConfig
from cfld.contact_sheet import contact_sheet, draw_pose
from cfld.data.base import PoseDataset
from cfld.data.transforms import to_pil, to_uint8
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints
from cfld.registry import Registry
from cfld.training.batches import NamedImages, Samples, open_data
from cfld.training.latent_cache import LatentCache, build_latent_cache, open_latent_cache
from cfld.types import SourceConditioning

T = TypeVar("T")

PREVIEW_STEPS: Final = 20
"""Sampling steps of the images on a sheet."""


class Stage(Protocol):
    """What the loop needs of a stage.

    Attributes:
        objective: called with `inputs(batch)`, returns the loss. Its parameters that require a gradient train.
        samples: the training samples, by `batches.Key`.
        frozen: the weights that a resumed run must find unchanged.
    """

    objective: nn.Module
    samples: Samples

    @property
    def frozen(self) -> Mapping[str, Tensor]: ...

    def inputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The arguments of the objective. Uses torch's global random generator."""

    def images(self) -> Image.Image:
        """A sheet of sample images of the current model."""

    def export(self, folder: Path) -> None:
        """Writes the model into an empty folder."""


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """What `training.setup` prepares for every stage.

    Attributes:
        out: the run directory.
        data: the training split.
        components: the initial components, on the CPU, in float32.
        digests: of the images, by name.
        caches: those that `cached_latents` has returned, with their images.
    """

    config: TrainConfig
    out: Path
    accelerator: Accelerator
    data: PoseDataset
    components: Components
    digests: Mapping[str, str]
    caches: list[tuple[LatentCache, NamedImages]] = field(default_factory=list)

    def frozen_vae(self) -> AutoencoderKL:
        """The VAE, frozen, in evaluation mode and on the device."""
        return self.components.vae.requires_grad_(False).eval().to(self.accelerator.device)

    def cached_latents(self, names: Sequence[str], folder: Path | None) -> LatentCache:
        """The latents of the named images, which `fill_caches` encodes.

        Args:
            folder: of the cache; None = in the run directory.
        """
        images = NamedImages(self.data, sorted(set(names)), self.config.model.vae.sample_size)
        cache = open_latent_cache(folder or self.out / "latents", self.components.vae, images.names, images.side)
        self.caches.append((cache, images))
        return cache

    def fill_caches(self) -> None:
        """Encodes the images that the caches lack. The first that a run writes: later than all that may be refused."""
        if self.accelerator.is_main_process:
            for cache, images in self.caches:
                build_latent_cache(cache, self.components.vae, images, self.digests, workers=self.config.data.workers)
        self.accelerator.wait_for_everyone()


STAGES: Final[Registry[Callable[[StageContext], Stage]]] = Registry(
    "training stage",
    {
        "cfld": "cfld.training.stages.cfld:CFLDStage",
        "vae": "cfld.training.stages.vae:VAEStage",
        "unet-pretrain": "cfld.training.stages.unet_pretrain:UNetPretrainStage",
        "source-pretrain": "cfld.training.stages.source_pretrain:SourcePretrainStage",
        "distill": "cfld.training.stages.distill:DistillStage",
    },
)
"""By the `name` of their `StageConfig`."""


def make_pipeline(context: StageContext) -> CFLDPipeline:
    """The pipeline of the current components."""
    return CFLDPipeline(**vars(context.components), output_size=context.config.model.output_size)


def generated_sheet(context: StageContext, pipe: CFLDPipeline | None = None) -> Image.Image:
    """A sheet of source, target pose, generated image and true image, of the test split where the data set has one.

    Args:
        pipe: that generates; None = that of the current components, in `PREVIEW_STEPS`.
    """
    config, size = context.config, context.config.model.output_size
    try:
        data = open_data(config.data, "test", size)
    except ValueError:
        data = context.data
    pairs = spread(data.pairs, config.image_count)
    sources, truths = ([to_pil(data.image(pair[i])) for pair in pairs] for i in (0, 1))
    poses = [data.keypoints(target) for _, target in pairs]
    results = preview(context, sources, poses, pipe)
    skeletons = [draw_pose(pose, size) for pose in poses]
    return sheet({"source": sources, "target pose": skeletons, "result": results, "truth": truths}, cell=size)


def preview(
    context: StageContext,
    source: Sequence[Image.Image] | SourceConditioning,
    poses: Sequence[Keypoints],
    pipe: CFLDPipeline | None = None,
) -> list[Image.Image]:
    """Generates images; `pipe` as of `generated_sheet`."""
    pipe = pipe or make_pipeline(context).use_recipe("exact", steps=PREVIEW_STEPS)
    pipe.set_progress_bar_config(disable=True)
    images: list[Image.Image] = pipe(
        pipe.encode_source(source, as_in_training=True),
        pipe.encode_pose(poses, as_in_training=True),
        generator=torch.Generator().manual_seed(context.config.seed),
    ).images
    return images


def export_components(components: Components, folder: Path) -> None:
    """Writes each component below `folder`."""
    for name, component in vars(components).items():
        component.save_pretrained(folder / name)


def sheet(columns: Mapping[str, Sequence[Image.Image]], cell: tuple[int, int]) -> Image.Image:
    """Columns of images under their titles. `cell`: (height, width) in pixels."""
    return contact_sheet(list(zip(*columns.values(), strict=True)), tuple(columns), cell=cell)


def pil_images(batch: Tensor) -> list[Image.Image]:
    """(B, 3, H, W) in [-1, 1] -> PIL images."""
    return [to_pil(image) for image in to_uint8(batch)]


def spread(items: Sequence[T], count: int) -> list[T]:
    """Up to `count` items, evenly spaced."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
