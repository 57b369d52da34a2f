"""`CFLDPipeline`: an image of a person and a target pose in, the person in that pose out.

from cfld import CFLDPipeline
pipe = CFLDPipeline.from_pretrained("mannequin")
image = pipe(source_image, target_pose, num_inference_steps=50).images[0]
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, UNet2DConditionModel
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from cfld import build, inputs
from cfld.data import transforms
from cfld.diffusion import editing
from cfld.diffusion.guidance import Denoiser, branch_weights, guided_denoiser
from cfld.diffusion.sampling import OnStep, sample
from cfld.inputs import Images, Pose
from cfld.models import hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.unet import predict_noise
from cfld.types import Conditioning, SourceConditioning

BUNDLED: Final = Path(__file__).parent / "assets"
"""Models that come with the package, one folder a name."""

OnStepEnd: TypeAlias = Callable[["CFLDPipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor] | None]
Generators: TypeAlias = torch.Generator | list[torch.Generator]


class CFLDPipeline(DiffusionPipeline):
    """Coarse-to-Fine Latent Diffusion (Lu et al., CVPR 2024) with any diffusers scheduler."""

    model_cpu_offload_seq = "conditioner->unet->vae"
    _callback_tensor_inputs: Final = ["latents"]

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
            output_size: (height, width) that the model's square images are squeezed to.

        Raises:
            ValueError: if the parts' dimensions do not fit together.
        """
        super().__init__()
        check_fit(conditioner, unet, vae)
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
            options = build.load_models(folder, **options)
        elif not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", str(model)):
            raise ValueError(f"{model}: no such model folder")
        try:
            pipe: CFLDPipeline = super().from_pretrained(str(folder), **{"use_safetensors": True, **options})
        except (OSError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            where = "does not load" if folder.exists() else "is no folder here, and the hub does not give it"
            raise ValueError(f"model {str(model)!r} {where}: {' '.join(str(error).split())[:300]}") from error
        return pipe

    @torch.no_grad()
    def __call__(
        self,
        source_image: Images | SourceConditioning,
        target_pose: Pose | Sequence[Pose] | Conditioning,
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
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> Any:
        """Draws the source person in the target pose. One source goes with any number of poses, and the other way.

        Args:
            source_image: PIL image(s) of any mode and size, or a float tensor (B, 3, H, W) in [-1, 1], or what
                `encode_source` returned.
            target_pose: `Keypoints`, an (18, 2) array of (y, x) in a 256x176 frame with -1 for missing joints, or a
                pose map (21, H, W); a list or a batch of these; or what `encode_pose` returned.
            pose_guidance_scale, appearance_guidance_scale: w_pose and w_app of eq. 7; 1 and 1 is no guidance.
            generator: one for the whole batch, or a list with one a sample: then a sample's image does not depend
                on its batch.
            latents: (B, 4, h, w) standard normal noise to start from, in place of the generator's.
            height, width: of the result; the model's `output_size` by default.
            output_type: `pil`, `np` (B, H, W, 3) in [0, 1], `pt` (B, 3, H, W) in [0, 1], or `latent`.
            callback_on_step_end: called as (pipe, step, t, {"latents": z}) after each step; may return changed
                latents, or set `pipe._interrupt = True` to stop.
            callback_on_step_end_tensor_inputs: what the callback is handed; there is nothing but "latents".

        Returns:
            an output with `images`, or the tuple (images,).

        Raises:
            ValueError: naming the argument that is wrong.
        """
        default_height, default_width = self.config.output_size
        size = (default_height if height is None else height, default_width if width is None else width)
        inputs.check_sampling(num_inference_steps, pose_guidance_scale, appearance_guidance_scale)
        self._check_output(size, output_type, callback_on_step_end_tensor_inputs)
        source, pose = _pair_up(self.encode_source(source_image), self.encode_pose(target_pose))
        denoise = self._denoiser(source, pose, pose_guidance_scale, appearance_guidance_scale)
        z_T = self._prepare_latents(source.batch_size, generator, latents)
        z_0 = self._denoise(denoise, z_T, num_inference_steps, generator, callback_on_step_end)
        images = z_0 if output_type == "latent" else self._decode(z_0, size, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @torch.no_grad()
    def encode_source(self, source_image: Images | SourceConditioning) -> SourceConditioning:
        """Everything that depends on the source alone; hand it to the call in place of the image, for many poses.

        Args:
            source_image: as in the call.
        """
        if isinstance(source_image, SourceConditioning):
            return source_image.to(self._execution_device, self.unet.dtype)
        batch = inputs.source_batch(source_image, self.conditioner.config.source_size)
        conditioning = self.conditioner(batch.to(self._execution_device, self.conditioner.dtype), None)
        return SourceConditioning(conditioning.prompt_embeds, conditioning.query_bias)

    @torch.no_grad()
    def encode_pose(self, target_pose: Pose | Sequence[Pose] | Conditioning) -> Conditioning:
        """Everything that depends on the pose alone, with the null prompt: what the middle branch of eq. 7 is told.

        Hand it to the call in place of the pose, for many sources.

        Args:
            target_pose: as in the call.
        """
        if isinstance(target_pose, Conditioning):
            return target_pose.to(self._execution_device, self.unet.dtype)
        maps = inputs.pose_batch(target_pose, self.conditioner.pose_size)
        conditioning: Conditioning = self.conditioner(None, maps.to(self._execution_device, self.conditioner.dtype))
        return conditioning

    @torch.no_grad()
    def transfer_style(
        self,
        reference_image: Image.Image,
        mask: editing.Mask,
        source_image: Images | SourceConditioning,
        target_pose: Pose | Sequence[Pose] | Conditioning,
        feather: float = 0.0,
        paste: bool = False,
        num_inference_steps: int = 50,
        pose_guidance_scale: float = 2.0,
        appearance_guidance_scale: float = 2.0,
        generator: Generators | None = None,
        callback_on_step_end: OnStepEnd | None = None,
    ) -> ImagePipelineOutput:
        """Draws the source's style into the reference image where the mask is white (section 4.6).

        Args:
            reference_image: the image to edit.
            mask: white where to generate, black where the reference stays; as large as the reference.
            source_image: whose style it gets; several make several images.
            target_pose: the reference's own pose.
            feather: width in pixels of the transition along the inside of the mask's edge; 0 is a hard edge.
            paste: the result is as large as the reference and keeps its unmasked pixels to the bit; otherwise it is of
                `output_size`, and unmasked it is the reference as the VAE gives it back.
            num_inference_steps and what follows: as in the call.

        Returns:
            an output with `images`, PIL.

        Raises:
            ValueError: naming the argument that is wrong, also for a mask of another size and an empty one.
        """
        inputs.check_sampling(num_inference_steps, pose_guidance_scale, appearance_guidance_scale)
        reference = transforms.to_rgb(reference_image)
        weights = editing.soft_mask(mask, (reference.height, reference.width), feather)
        source, pose = _pair_up(self.encode_source(source_image), self.encode_pose(target_pose))
        noise, z_ref = self._prepare_latents(source.batch_size, generator, None), self._encode(reference)
        size = (reference.height, reference.width) if paste else tuple(self.config.output_size)
        backdrop = transforms.to_tensor(reference)[None] / 255 if paste else self._decode(z_ref, size, "pt")
        self.scheduler.set_timesteps(num_inference_steps, device=noise.device)
        region = editing.latent_mask(weights, self.conditioner.latent_size)
        masked = editing.MaskedSampling(self.scheduler, z_ref, noise, region)
        drawn = self(
            source, pose, num_inference_steps, pose_guidance_scale, appearance_guidance_scale, generator,
            masked.start(), size[0], size[1], "pt", callback_on_step_end=masked.then(callback_on_step_end),
        ).images  # fmt: skip
        arrays = self.image_processor.pt_to_numpy(editing.paste(drawn, backdrop, weights))
        return ImagePipelineOutput(images=self.image_processor.numpy_to_pil(arrays))

    @property
    def num_timesteps(self) -> int:
        """Steps of the latest call, as the scheduler counts them."""
        return len(self.scheduler.timesteps)

    @property
    def interrupt(self) -> bool:
        """Whether a callback has stopped the latest call."""
        return getattr(self, "_interrupt", False)

    def _check_output(self, size: tuple[int, int], output_type: str, tensor_inputs: Sequence[str]) -> None:
        if min(size) < 1:
            raise ValueError(f"height and width must be at least 1, got {size}")
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type is pil, np, pt or latent, got {output_type!r}")
        if unknown := [name for name in tensor_inputs if name not in self._callback_tensor_inputs]:
            raise ValueError(f"callbacks are handed {self._callback_tensor_inputs}, not {', '.join(unknown)}")

    def _denoiser(self, source: SourceConditioning, pose: Conditioning, w_pose: float, w_app: float) -> Denoiser:
        full, null = source.with_pose(pose.pose_features), Conditioning(pose.prompt_embeds)
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

    def _encode(self, image: Image.Image) -> Tensor:
        """z_0 (1, 4, h, w) of an image of any size, squeezed to the square that latents come from."""
        side = self.conditioner.latent_size[0] * self.image_processor.config.vae_scale_factor
        square = inputs.source_batch(image, side).to(self._execution_device, self.vae.dtype)
        return self.vae.encode(square).latent_dist.mode() * self.vae.config.scaling_factor

    def _decode(self, z_0: Tensor, size: tuple[int, int], output_type: str) -> Any:
        square = self.vae.decode(z_0.to(self.vae.dtype) / self.vae.config.scaling_factor, return_dict=False)[0]
        return self.image_processor.postprocess(transforms.resize(square.float(), size), output_type=output_type)


def check_fit(conditioner: Conditioner, unet: UNet2DConditionModel, vae: AutoencoderKL) -> None:
    """Raises ValueError naming the dimensions in which the parts do not fit together."""
    c, u = conditioner.config, unet.config
    pairs = {
        "prompt_dim and the UNet's cross_attention_dim": (c.prompt_dim, u.cross_attention_dim),
        "unet_channels and the UNet's but the coarsest": (tuple(c.unet_channels), tuple(u.block_out_channels[:-1])),
        "attentions_per_block and the UNet's layers_per_block + 1": (c.attentions_per_block, u.layers_per_block + 1),
        "the VAE's latent_channels and the UNet's in_channels": (vae.config.latent_channels, u.in_channels),
    }
    if wrong := [f"{what} ({a} and {b})" for what, (a, b) in pairs.items() if a != b]:
        raise ValueError(f"the parts do not fit together: {'; '.join(wrong)} must agree")
    if unhooked := [name for name in conditioner.bias_names if f"{name}.processor" not in unet.attn_processors]:
        raise ValueError(f"the parts do not fit together: the UNet has no attention {', '.join(unhooked)}")


def _pair_up(source: SourceConditioning, pose: Conditioning) -> tuple[SourceConditioning, Conditioning]:
    """Repeats the side of which there is one, so that both have one batch size."""
    sources, poses = source.batch_size, pose.batch_size
    if sources != poses and 1 not in (sources, poses):
        raise ValueError(f"{sources} sources and {poses} poses; give as many of both, or one of either")
    if sources < poses:
        return source.select([0] * poses), pose
    return source, pose if sources == poses else pose.select([0] * sources)
