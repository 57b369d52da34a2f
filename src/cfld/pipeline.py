"""`CFLDPipeline`: a picture of a person and a target pose in, the person in that pose out.

from cfld import CFLDPipeline
pipe = CFLDPipeline.from_pretrained("mannequin")
image = pipe(source_image, target_pose, num_inference_steps=50).images[0]
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, UNet2DConditionModel
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cfld.data import transforms
from cfld.diffusion.guidance import Denoiser, branch_weights, guided_denoiser
from cfld.diffusion.sampling import OnStep, sample
from cfld.models import hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.unet import predict_noise
from cfld.poses.keypoints import Keypoints, as_keypoints
from cfld.poses.render import pose_map
from cfld.types import Conditioning, SourceConditioning

BUNDLED: Final = Path(__file__).parent / "assets"
"""Models that come with the package, one folder a name."""

SourceImage: TypeAlias = Image.Image | Sequence[Image.Image] | Tensor | SourceConditioning
Pose: TypeAlias = Keypoints | NDArray[Any] | Tensor
OnStepEnd: TypeAlias = Callable[["CFLDPipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor] | None]
Generators: TypeAlias = torch.Generator | list[torch.Generator]


class CFLDPipeline(DiffusionPipeline):
    """Coarse-to-Fine Latent Diffusion (Lu et al., CVPR 2024) with any diffusers scheduler."""

    model_cpu_offload_seq = "conditioner->unet->vae"
    _callback_tensor_inputs = ("latents",)

    def __init__(
        self,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: Any,
        output_size: tuple[int, int] | list[int] = (256, 176),
    ) -> None:
        """
        Args:
            output_size: (height, width) that the model's square pictures are squeezed to.

        Raises:
            ValueError: if the parts' dimensions do not fit together.
        """
        super().__init__()
        _check_fit(conditioner, unet)
        hybrid_granularity_attention.install(unet)
        self.register_modules(conditioner=conditioner, unet=unet, vae=vae, scheduler=scheduler)
        self.register_to_config(output_size=tuple(output_size))
        self.image_processor = VaeImageProcessor(vae_scale_factor=2 ** (len(vae.config.block_out_channels) - 1))

    @classmethod
    def from_pretrained(cls, model: str | Path = "mannequin", **options: Any) -> CFLDPipeline:
        """Loads the bundled model by its name, a folder in diffusers layout, or a hub id.

        Args:
            options: of `DiffusionPipeline.from_pretrained`: torch_dtype, cache_dir, revision and so on.

        Raises:
            ValueError: naming what is missing in the folder or does not load.
        """
        folder = BUNDLED / model if (BUNDLED / model / "model_index.json").is_file() else Path(model)
        if folder.exists():
            check_model_folder(folder)
        try:
            pipe: CFLDPipeline = super().from_pretrained(str(folder), **options)
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(f"model {str(model)!r} does not load: {' '.join(str(error).split())[:400]}") from error
        return pipe

    @torch.no_grad()
    def __call__(
        self,
        source_image: SourceImage,
        target_pose: Pose | Sequence[Pose],
        num_inference_steps: int = 50,
        pose_guidance_scale: float = 2.0,
        appearance_guidance_scale: float = 2.0,
        generator: Generators | None = None,
        latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: OnStepEnd | None = None,
    ) -> Any:
        """Draws the source person in the target pose. One source goes with any number of poses, and the other way.

        Args:
            source_image: PIL image(s) of any mode and size, or a float tensor (B, 3, H, W) in [-1, 1], or what
                `encode_source` returned.
            target_pose: `Keypoints`, an (18, 2) array of (y, x) in a 256x176 frame with -1 for missing joints, or a
                pose map (21, H, W); or a list of these; or a batch of pose maps (B, 21, H, W).
            pose_guidance_scale, appearance_guidance_scale: w_pose and w_app of eq. 7; 1 and 1 is no guidance.
            generator: one for the whole batch, or a list with one a sample: then a sample's picture does not depend
                on its batch.
            latents: (B, 4, h, w) standard normal noise to start from, in place of the generator's.
            height, width: of the result; the model's `output_size` by default.
            output_type: `pil`, `np` (B, H, W, 3) in [0, 1], `pt` (B, 3, H, W) in [0, 1], or `latent`.
            callback_on_step_end: called as (pipe, step, t, {"latents": z}) after each step; may return changed
                latents, or set `pipe._interrupt = True` to stop.

        Returns:
            an output with `images`, or the tuple (images,).

        Raises:
            ValueError: naming the argument that is wrong.
        """
        _check_arguments(num_inference_steps, output_type)
        source, pose = self.encode_source(source_image), self.encode_pose(target_pose)
        source, pose = _pair_up(source, pose)
        denoise = self._denoiser(source.with_pose(pose), pose_guidance_scale, appearance_guidance_scale)
        z_T = self._prepare_latents(source.batch_size, generator, latents)
        z_0 = self._denoise(denoise, z_T, num_inference_steps, generator, callback_on_step_end)
        size = (height or self.config.output_size[0], width or self.config.output_size[1])
        images = z_0 if output_type == "latent" else self._decode(z_0, size, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @torch.no_grad()
    def encode_source(self, source_image: SourceImage) -> SourceConditioning:
        """Everything that depends on the source alone; hand it to the call in place of the picture, for many poses.

        Args:
            source_image: as in the call.
        """
        if isinstance(source_image, SourceConditioning):
            return source_image
        side = self.conditioner.config.source_size
        batch = _source_batch(source_image, (side, side))
        conditioning = self.conditioner(batch.to(self._execution_device, self.conditioner.dtype), None)
        return SourceConditioning(conditioning.prompt_embeds, conditioning.query_bias)

    @torch.no_grad()
    def encode_pose(self, target_pose: Pose | Sequence[Pose]) -> tuple[Tensor, ...]:
        """Everything that depends on the pose alone: one (B, C, h, w) a down block.

        Args:
            target_pose: as in the call.
        """
        maps = _pose_batch(target_pose, self.conditioner.pose_size)
        return self.conditioner(None, maps.to(self._execution_device, self.conditioner.dtype)).pose_features

    def _denoiser(self, full: Conditioning, w_pose: float, w_app: float) -> Denoiser:
        null = self.conditioner.null(full.batch_size)
        null = Conditioning(null.prompt_embeds.to(full.prompt_embeds))
        weights = branch_weights(w_pose, w_app)
        return guided_denoiser(lambda z_t, t, c: predict_noise(self.unet, z_t, t, c), full, null, weights)

    def _prepare_latents(self, batch_size: int, generator: Generators | None, latents: Tensor | None) -> Tensor:
        shape = (batch_size, self.unet.config.in_channels, *self.conditioner.latent_size)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(f"{len(generator)} generators for {batch_size} samples; give one, or one a sample")
        if latents is None:
            return randn_tensor(shape, generator=generator, device=self._execution_device, dtype=self.unet.dtype)
        if tuple(latents.shape) != shape:
            raise ValueError(f"latents must have shape {shape}, got {tuple(latents.shape)}")
        return latents.to(self._execution_device, self.unet.dtype)

    def _denoise(
        self, denoise: Denoiser, z_T: Tensor, steps: int, generator: Generators | None, on_step_end: OnStepEnd | None
    ) -> Tensor:
        self._interrupt = False
        self.scheduler.set_timesteps(steps, device=z_T.device)
        timesteps = itertools.takewhile(lambda _: not self._interrupt, self.progress_bar(self.scheduler.timesteps))
        z_T = z_T * self.scheduler.init_noise_sigma
        return sample(denoise, self.scheduler, timesteps, z_T, generator, self._on_step(on_step_end))

    def _on_step(self, callback: OnStepEnd | None) -> OnStep | None:
        if callback is None:
            return None

        def on_step(i: int, t: Tensor, latents: Tensor) -> Tensor:
            return (callback(self, i, t, {"latents": latents}) or {}).get("latents", latents)

        return on_step

    def _decode(self, z_0: Tensor, size: tuple[int, int], output_type: str) -> Any:
        square = self.vae.decode(z_0.to(self.vae.dtype) / self.vae.config.scaling_factor, return_dict=False)[0]
        return self.image_processor.postprocess(transforms.resize(square.float(), size), output_type=output_type)


def check_model_folder(folder: Path) -> None:
    """Raises ValueError naming the first part that `model_index.json` promises and the folder does not hold."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(f"{folder}: no model_index.json; expected a model saved by this package (see cfld convert)")
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{index}: not JSON ({error})") from None
    for part in ("conditioner", "unet", "vae", "scheduler"):
        if part not in parts:
            raise ValueError(f"{index}: names no {part}; this is no CFLD model")
        wanted = "scheduler_config.json" if part == "scheduler" else "config.json"
        if not (folder / part / wanted).is_file():
            raise ValueError(f"{folder}: {part}/{wanted} is missing; copy the whole folder again")
        if part != "scheduler" and not any((folder / part).glob("*.safetensors")):
            raise ValueError(f"{folder}: no weights (*.safetensors) in {part}; copy the whole folder again")


def _check_fit(conditioner: Conditioner, unet: UNet2DConditionModel) -> None:
    c, u = conditioner.config, unet.config
    pairs = {
        "prompt_dim and the UNet's cross_attention_dim": (c.prompt_dim, u.cross_attention_dim),
        "unet_channels and the UNet's channels": (
            tuple(c.unet_channels),
            tuple(u.block_out_channels[: len(c.unet_channels)]),
        ),
        "attentions_per_block and the UNet's layers_per_block + 1": (c.attentions_per_block, u.layers_per_block + 1),
    }
    if wrong := [f"{what} ({a} and {b})" for what, (a, b) in pairs.items() if a != b]:
        raise ValueError(f"conditioner and UNet do not fit: {'; '.join(wrong)} must agree")


def _check_arguments(num_inference_steps: int, output_type: str) -> None:
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    if output_type not in ("pil", "np", "pt", "latent"):
        raise ValueError(f"output_type is pil, np, pt or latent, got {output_type!r}")


def _source_batch(images: Image.Image | Sequence[Image.Image] | Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 3, *size) in [-1, 1]."""
    if isinstance(images, Tensor):
        return transforms.resize(images if images.ndim == 4 else images[None], size)
    images = [images] if isinstance(images, Image.Image) else list(images)
    if not images or not all(isinstance(image, Image.Image) for image in images):
        raise ValueError("source_image must be PIL image(s), a tensor, or what encode_source returned")
    tensors = [transforms.to_model_range(transforms.to_tensor(transforms.to_rgb(image))) for image in images]
    return torch.stack([transforms.resize(tensor, size) for tensor in tensors])


def _pose_batch(poses: Pose | Sequence[Pose], size: tuple[int, int]) -> Tensor:
    """(B, 21, *size) in [0, 1]."""
    if isinstance(poses, Tensor) and poses.ndim == 4:
        return poses
    single = isinstance(poses, Keypoints | Tensor | np.ndarray) and getattr(poses, "ndim", 0) != 3
    items: Sequence[Pose] = [poses] if single else list(poses)  # type: ignore[list-item, arg-type]
    if not items:
        raise ValueError("target_pose is empty; give at least one pose")
    return torch.stack([_one_pose_map(pose, size) for pose in items])


def _one_pose_map(pose: Pose, size: tuple[int, int]) -> Tensor:
    if isinstance(pose, Tensor) and pose.ndim == 3:
        return pose
    keypoints = as_keypoints(pose.cpu().numpy() if isinstance(pose, Tensor) else pose)
    if not keypoints.visible.any():
        raise ValueError("target_pose: all 18 joints are missing; nothing says where the person stands")
    return pose_map(keypoints, size=size)


def _pair_up(source: SourceConditioning, pose: tuple[Tensor, ...]) -> tuple[SourceConditioning, tuple[Tensor, ...]]:
    """Repeats the side of which there is one, so that both have one batch size."""
    sources, poses = source.batch_size, len(pose[0])
    if sources != poses and 1 not in (sources, poses):
        raise ValueError(f"{sources} sources and {poses} poses; give as many of both, or one of either")
    if sources < poses:
        source = source.rows([0] * poses)
    if poses < sources:
        pose = tuple(feature.expand(sources, -1, -1, -1) for feature in pose)
    return source, pose
