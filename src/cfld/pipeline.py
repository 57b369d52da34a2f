"""`CFLDPipeline`: generates the person of a source image in a target pose.

from cfld import CFLDPipeline
pipe = CFLDPipeline.from_pretrained("mannequin")
image = pipe(source_image, target_pose, num_inference_steps=50).images[0]
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import logging
import operator
import re
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

import diffusers
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, ImagePipelineOutput, LCMScheduler, UNet2DConditionModel
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from cfld import build, inputs
from cfld.calls import Calls
from cfld.config.recipes import Recipe, get_recipe
from cfld.data import transforms
from cfld.data.registry import PROCEDURAL_DATASETS
from cfld.diffusion import masking, schedulers
from cfld.diffusion.guidance import Denoiser, PredictNoise, guided_denoiser
from cfld.diffusion.sampling import OnStep, sample
from cfld.engines.base import CACHE, ENGINES, Engine, Evaluation, Preparation, TorchEngine
from cfld.engines.dtypes import fastest_dtype
from cfld.inputs import Images, Pose
from cfld.models import feature_cache, hybrid_granularity_attention
from cfld.models.conditioner import Conditioner
from cfld.models.feature_cache import Features
from cfld.models.loading import construction
from cfld.models.lora import fuse
from cfld.models.student import Student, load_student, teacher_of
from cfld.poses.keypoints import DEEPFASHION_FRAME
from cfld.ranges import Side, check_number, is_whole_number
from cfld.readers.tensors import check_finite
from cfld.types import Conditioning, SourceConditioning

BUNDLED: Final = Path(__file__).parent / "assets"
"""Folder of the models that come with the package, one subfolder per name."""
PIPELINE_FILE: Final = BUNDLED / "mannequin" / "pipeline.py"
"""A copy in a saved model lets plain diffusers open it."""

NAME: Final = r"\w[\w.-]*"
logger = logging.getLogger(__name__)

OnStepEnd: TypeAlias = Callable[["CFLDPipeline", int, Tensor, dict[str, Tensor]], dict[str, Tensor] | None]
Generators: TypeAlias = torch.Generator | list[torch.Generator]
F = TypeVar("F", bound=Callable[..., Any])

_OFFLOADING: Final = threading.RLock()


def _entry(method: F) -> F:
    """A method without gradients that threads may call at once; where weights are offloaded, one after the other."""

    @functools.wraps(method)
    def call(self: CFLDPipeline, *args: Any, **options: Any) -> Any:
        with torch.no_grad(), self._exclusive():
            return method(self, *args, **options)

    return cast(F, call)


def model_folder(model: str | Path) -> Path:
    """The folder of a bundled model for its name, else the path as it is."""
    return BUNDLED / model if re.fullmatch(NAME, str(model)) and (BUNDLED / model).is_dir() else Path(model)


class CFLDPipeline(DiffusionPipeline):
    """Coarse-to-Fine Latent Diffusion (Lu et al., CVPR 2024) with the schedulers of diffusers in `schedulers.CORRECT`.

    Threads may share one pipeline: a call changes neither the scheduler nor anything else of it.
    """

    model_cpu_offload_seq = "conditioner->unet->vae"
    scheduler: Any
    _callback_tensor_inputs: Final = ["latents"]

    def __init__(
        self,
        conditioner: Conditioner,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        scheduler: Any,
        output_size: tuple[int, int] | list[int] | None = None,
        student: dict[str, float] | None = None,
    ) -> None:
        """
        Args:
            output_size: (height, width) that the model's square images are resized to; default: that of the pipeline
                that the components are from, else 256x176.
            student: fields of `models.student.Student`, where the UNet is one; default: likewise.

        Raises:
            ValueError: if the components' dimensions do not match.
        """
        super().__init__()
        check_components(conditioner, unet, vae)
        size = _checked_size(conditioner.output_size or (256, 176) if output_size is None else output_size)
        if conditioner.output_size not in (None, size):
            conditioner = copy.copy(conditioner)  # the same weights; another pipeline keeps its size
        conditioner.output_size = size
        hybrid_granularity_attention.install(unet)
        self.register_modules(conditioner=conditioner, unet=unet, vae=vae, scheduler=scheduler)
        self.register_to_config(output_size=size)
        self._mark(getattr(unet, "student", None) if student is None else Student.of(student, "student"))
        self.image_processor = VaeImageProcessor(vae_scale_factor=2 ** (len(vae.config.block_out_channels) - 1))
        self._calls = Calls()
        self._dtypes: dict[tuple[str, torch.dtype], torch.dtype] = {}
        self._recipe = Recipe(**self._of_student)
        self._schedulers = (scheduler, scheduler)  # the model's own, and the recipe's
        self._engine: Engine = TorchEngine()
        self._prepared = ("torch", "float32", CACHE)  # what the engine was made from

    def save_pretrained(self, save_directory: str | Path, *args: Any, **options: Any) -> None:
        """Saves a folder that `from_pretrained` loads; arguments as in `DiffusionPipeline.save_pretrained`."""
        Path(save_directory).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PIPELINE_FILE, Path(save_directory) / PIPELINE_FILE.name)
        super().save_pretrained(save_directory, *args, **options)

    @classmethod
    def from_pretrained(cls, model: str | Path = "mannequin", **options: Any) -> CFLDPipeline:
        """Loads a pipeline.

        Args:
            model: name of a bundled model, folder in diffusers layout, or hub id.
            options: of `DiffusionPipeline.from_pretrained`, such as torch_dtype, cache_dir and revision.

        Raises:
            ValueError: naming what is missing in the folder or does not load.
        """
        folder = model_folder(model)
        if (teacher := teacher_of(folder)) is not None:
            if teacher_of(model_folder(teacher)) is not None:
                raise ValueError(f"{folder}: its teacher {teacher} is itself a student; name a model in student.json")
            return cls.from_pretrained(teacher, **options).load_student(folder)
        if folder.exists():
            options = build.load_components(folder, **options)
        elif not re.fullmatch(f"{NAME}(/{NAME})?", str(model)):
            raise ValueError(f"{model}: no such model folder")
        with construction(f"model {str(model)!r}{'' if folder.exists() else ' is not a folder and'}"):
            pipe: CFLDPipeline = super().from_pretrained(str(folder), **{"use_safetensors": True, **options})
        if not folder.exists():  # a folder's components are checked one by one
            for name in build.CLASSES:
                check_finite(getattr(pipe, name).state_dict(), f"model {str(model)!r}, {name}")
        return pipe

    @property
    def recipe(self) -> Recipe:
        """How images are sampled, see `use_recipe`."""
        return self._recipe

    def use_recipe(self, recipe: Recipe | str, engine_cache: Path | None = None, **changes: Any) -> CFLDPipeline:
        """Sets how images are sampled from now on: `exact` as in the paper, `fast` or `fastest`, or an own recipe.

        With a student of few steps, a name stands for its steps and its scheduler. A recipe's scheduler replaces the
        pipeline's, until a recipe without one puts it back.

        Args:
            recipe: one of `RECIPES`, or its name.
            engine_cache: folder for what the recipe's engine exports; default: that of the recipe before, at first
                `~/.cache/cfld`.
            changes: fields of the recipe to change, such as steps=20.

        Returns:
            this pipeline.

        Raises:
            ValueError: for an unknown name, values out of range, and an engine that is not installed.
        """
        if isinstance(recipe, str):
            recipe = dataclasses.replace(get_recipe(recipe), **self._of_student)
        recipe = dataclasses.replace(recipe, **changes)
        cache = self._prepared[2] if engine_cache is None else Path(engine_cache)
        if recipe.dtype == "auto":
            fastest: Any = fastest_dtype(self._execution_device, recipe.engine, cache)
            recipe = dataclasses.replace(recipe, dtype=fastest)
        dtype = recipe.dtype or "float32"
        if (recipe.engine, dtype, cache) != self._prepared:
            self._engine = ENGINES[recipe.engine](Preparation(dtype, cache, self._trajectories))
            self._prepared = (recipe.engine, dtype, cache)
        own, chosen = self._schedulers
        own = own if self.scheduler is chosen else self.scheduler
        self.scheduler = schedulers.make_scheduler(recipe.scheduler, own.config) if recipe.scheduler else own
        self._schedulers = (own, self.scheduler)
        weights = getattr(torch, dtype if recipe.engine == "torch" else "float32")
        if recipe.dtype is not None and weights != self._dtype("unet"):
            self.to(weights)
        if recipe.feature_cache == 1:
            feature_cache.detach(self.unet)
        self._recipe = recipe
        return self

    def load_student(self, folder: str | Path) -> CFLDPipeline:
        """Makes this pipeline one of few steps, without a guided branch, by a student distilled from its model.

        Args:
            folder: `lora/` of a model that `cfld train` with the stage `distill` wrote.

        Returns:
            this pipeline.

        Raises:
            ValueError: if the folder holds no student, or one of another model.
        """
        return self.with_student(*load_student(Path(folder)))

    def with_student(self, student: Student, lora: Mapping[str, Tensor]) -> CFLDPipeline:
        """As `load_student`, of a student in memory."""
        if self.student is not None:
            raise ValueError("this pipeline has a student; load the teacher again for another")
        fuse(self.unet, lora)
        self.scheduler = LCMScheduler.from_config(self.scheduler.config)
        self._mark(student)
        return self.use_recipe(self._recipe, **student.sampling)

    @property
    def student(self) -> Student | None:
        """How to sample, where the UNet is a student of few steps."""
        return getattr(self.unet, "student", None)

    def _mark(self, student: Student | None) -> None:
        self.unet.student = student  # other pipelines of this UNet must know
        if student is not None:
            self.register_to_config(student=dataclasses.asdict(student))

    @property
    def _of_student(self) -> dict[str, Any]:
        """The fields of a named recipe that a student determines."""
        return {} if self.student is None else self.student.sampling

    @_entry
    def __call__(
        self,
        source_image: Images | SourceConditioning,
        target_pose: Pose | Sequence[Pose] | Conditioning,
        num_inference_steps: int | None = None,
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
        """Generates the source person in the target pose. One source combines with many poses, and vice versa.

        Args:
            source_image: PIL image(s) of any mode and size, a tensor (B, 3, H, W), float in [-1, 1] or of 0 to 255, or
                the result of `encode_source`. Images of another aspect ratio than `output_size` are extended to it.
            target_pose: `Keypoints`, an (18, 2) array of (y, x) in a 256x176 frame with -1 for missing joints, or a
                pose map (21, H, W); a list or a batch of these; the result of `encode_pose`, or
                `conditioner.null(1)` for no pose. Keypoints in a frame of another aspect ratio than `output_size`
                are fitted to it, see `cfld.poses.fit`.
            num_inference_steps: number of denoising steps; default: the recipe's, 50 of `exact`.
            pose_guidance_scale, appearance_guidance_scale: w_pose and w_app of eq. 7; 1 and 1 disable guidance.
            generator: one for the whole batch, or a list of one per sample, which makes each sample's image
                independent of its batch.
            latents: (B, 4, h, w), standard normal noise to start from instead of sampling it with the generator.
            height, width: of the output images; default: the model's `output_size`.
            output_type: `pil`, `np` (B, H, W, 3) in [0, 1], `pt` (B, 3, H, W) in [0, 1], or `latent`.
            return_dict: whether to return an `ImagePipelineOutput` rather than a tuple.
            callback_on_step_end: called as (pipe, step, t, {"latents": z}) after each step; may return changed
                latents, or set `pipe._interrupt = True` to stop.
            callback_on_step_end_tensor_inputs: tensors to pass to the callback; only "latents" is available.

        Returns:
            an output with `images`, or the tuple (images,).

        Raises:
            ValueError: naming the argument that is invalid.
            FloatingPointError: if the latents or the images hold NaN or infinite values.
        """
        size = self._output_size(height, width)
        self._check_output(output_type, callback_on_step_end_tensor_inputs)
        scheduler = self._start(num_inference_steps, pose_guidance_scale, appearance_guidance_scale, generator)
        source, pose = _pair(self.encode_source(source_image), self.encode_pose(target_pose))
        denoise = self._guide(source, pose, pose_guidance_scale, appearance_guidance_scale)
        z_T = self._prepare_latents(source.batch_size, generator, latents)
        z_0 = self._sample(denoise, z_T, scheduler, generator, callback_on_step_end)
        images = z_0 if output_type == "latent" else self._decode(z_0, size, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @_entry
    def encode_source(
        self, source_image: Images | SourceConditioning, as_in_training: bool = False
    ) -> SourceConditioning:
        """Encodes the source once, to pass to the call in place of the image for many poses.

        Args:
            source_image: as in the call.
            as_in_training: stretch images to the model's square, as those of a data set, whatever their aspect ratio.
        """
        if isinstance(source_image, SourceConditioning):
            return source_image.to(self._execution_device, self._dtype("unet"))
        shape = None if as_in_training else tuple(self.config.output_size)
        batch = inputs.source_batch(source_image, self.conditioner.config.source_size, shape)
        conditioning = self.conditioner(batch.to(self._execution_device, self._dtype("conditioner")), None)
        return SourceConditioning(conditioning.prompt_embeds, conditioning.query_bias)

    @_entry
    def encode_pose(
        self, target_pose: Pose | Sequence[Pose] | Conditioning, as_in_training: bool = False
    ) -> Conditioning:
        """Encodes the pose once, to pass to the call in place of the pose for many sources.

        The result has the null prompt: it is the condition of the middle branch of eq. 7.

        Args:
            target_pose: as in the call.
            as_in_training: stretch poses to the model's square, as those of a data set, whatever the aspect ratio of
                their frame, and accept those that show nobody.
        """
        shape = None if as_in_training else tuple(self.config.output_size)
        return self._encode_pose(target_pose, shape, blank=as_in_training)

    def _encode_pose(self, target_pose: Any, shape: tuple[int, int] | None, blank: bool = False) -> Conditioning:
        if isinstance(target_pose, Conditioning):
            return target_pose.to(self._execution_device, self._dtype("unet"))
        maps = inputs.pose_batch(target_pose, self.conditioner.pose_size, shape, blank)
        conditioning: Conditioning = self.conditioner(None, maps.to(self._execution_device, self._dtype("conditioner")))
        return conditioning

    @_entry
    def transfer_style(
        self,
        reference_image: Image.Image,
        mask: masking.Mask,
        source_image: Images | SourceConditioning,
        target_pose: Pose | Sequence[Pose] | Conditioning,
        feather: float = 0.0,
        paste: bool = False,
        num_inference_steps: int | None = None,
        pose_guidance_scale: float = 2.0,
        appearance_guidance_scale: float = 2.0,
        generator: Generators | None = None,
        callback_on_step_end: OnStepEnd | None = None,
    ) -> ImagePipelineOutput:
        """Generates the source's style in the masked region of the reference image (section 4.6).

        Args:
            reference_image: the image to edit.
            mask: white where to generate, black where to keep the reference; of the reference's size.
            source_image: the source(s) of the style; one image is generated for each.
            target_pose: the reference's own pose.
            feather: width in pixels of the transition along the inside of the mask's edge; 0 is a hard edge.
            paste: return images of the reference's size with its unmasked pixels bit-identical; otherwise images of
                `output_size`, unmasked the VAE's reconstruction of the reference.
            num_inference_steps and following: as in the call.

        Returns:
            an output with `images`, PIL.

        Raises:
            ValueError: naming the argument that is invalid, including a mask of another size and an empty one.
        """
        scheduler = self._start(num_inference_steps, pose_guidance_scale, appearance_guidance_scale, generator)
        if not isinstance(reference_image, Image.Image):
            raise ValueError(f"reference_image must be a PIL image, got {type(reference_image).__name__}")
        reference = transforms.to_rgb(reference_image)
        inputs.check_reference((reference.height, reference.width), tuple(self.config.output_size))
        weights = masking.soft_mask(mask, (reference.height, reference.width), feather)
        # the pose is stretched with the reference
        source, pose = _pair(self.encode_source(source_image), self._encode_pose(target_pose, shape=None))
        denoise = self._guide(source, pose, pose_guidance_scale, appearance_guidance_scale)
        noise, z_ref = self._prepare_latents(source.batch_size, generator, None), self._encode(reference)
        size = (reference.height, reference.width) if paste else self._output_size(None, None)
        backdrop = transforms.to_tensor(reference)[None] / 255 if paste else self._decode(z_ref, size, "pt")
        region = masking.latent_mask(weights, self.conditioner.latent_size)
        masked = masking.MaskedSampling(scheduler, z_ref, noise, region)
        z_T = self._prepare_latents(source.batch_size, generator, masked.start())
        z_0 = self._sample(denoise, z_T, scheduler, generator, callback_on_step_end, masked)
        images = masking.paste(self._decode(z_0, size, "pt"), backdrop, weights)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=self.image_processor.numpy_to_pil(self.image_processor.pt_to_numpy(images)))

    @property
    def num_timesteps(self) -> int:
        """Number of timesteps of the latest call of this thread."""
        return self._calls.latest.num_timesteps

    @property
    def interrupt(self) -> bool:
        """Whether the latest call of this thread was stopped.

        A callback stops its own call by `pipe._interrupt = True`; the same from another thread stops all calls.
        """
        return self._calls.latest.interrupt

    @property
    def _interrupt(self) -> bool:
        return self.interrupt

    @_interrupt.setter
    def _interrupt(self, value: bool) -> None:
        self._calls.interrupt(value)

    def _output_size(self, height: int | None, width: int | None) -> tuple[int, int]:
        default_height, default_width = self.config.output_size
        size = (default_height if height is None else height, default_width if width is None else width)
        return _checked_size(size)

    def _check_output(self, output_type: str, tensor_inputs: Sequence[str]) -> None:
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ValueError(f"output_type must be pil, np, pt or latent, got {output_type!r}")
        names = tensor_inputs if isinstance(tensor_inputs, list | tuple) else [tensor_inputs]
        if not all(isinstance(name, str) and name in self._callback_tensor_inputs for name in names):
            raise ValueError(
                f"callback_on_step_end_tensor_inputs must be among {self._callback_tensor_inputs}, "
                f"got {inputs.shown(tensor_inputs)}"
            )

    def _start(self, steps: int | None, w_pose: float, w_app: float, generator: Generators | None) -> Any:
        """A call's own scheduler, at the first of so many steps; raises ValueError for what cannot be sampled with."""
        steps = self._recipe.steps if steps is None else steps
        inputs.check_sampling(steps, w_pose, w_app)
        self._check_parts()
        inputs.check_generator(generator)
        return schedulers.start(self.scheduler, steps, self._execution_device)

    def _exclusive(self) -> AbstractContextManager[Any]:
        """Admits one call at a time where hooks move or cast weights during a call."""
        return _OFFLOADING if self._hooked else nullcontext()

    @property
    def _hooked(self) -> bool:
        hooks = ("_hf_hook", "_diffusers_hook")
        return any(hasattr(part, hook) for part in (self.conditioner, self.unet, self.vae) for hook in hooks)

    def _dtype(self, name: str) -> torch.dtype:
        """A component's dtype, for which diffusers looks through all modules: kept until its first weight changes."""
        part = getattr(self, name)
        key = name, next(part.parameters()).dtype
        if key not in self._dtypes:
            self._dtypes[key] = part.dtype
        return self._dtypes[key]

    @property
    def _execution_device(self) -> torch.device:
        """As in diffusers, which looks through all modules each time: a quarter of the time of an image in 2 steps."""
        if self._hooked or self.hf_device_map is not None:
            return super()._execution_device
        return _device(self.unet)

    def _check_parts(self) -> None:
        """Raises ValueError for components on several devices, unless offloaded, or of several dtypes."""
        parts = {"conditioner": self.conditioner, "unet": self.unet, "vae": self.vae}
        devices = {name: str(_device(part)) for name, part in parts.items()}
        dtypes = {name: str(self._dtype(name)).removeprefix("torch.") for name in ("conditioner", "unet")}
        placed = self.hf_device_map is not None or self._hooked
        for kind, found in {"device": {} if placed else devices, "dtype": dtypes}.items():
            if len(set(found.values())) > 1:
                listed = ", ".join(f"{name}: {value}" for name, value in found.items())
                call = 'pipe.to("cuda")' if kind == "device" else "pipe.to(torch.float16)"
                raise ValueError(f"the components are of several {kind}s ({listed}); give them one, such as {call}")

    def _guide(self, source: SourceConditioning, pose: Conditioning, w_pose: float, w_app: float) -> Denoiser:
        """eq. 7, with the null prompt that `encode_pose` returned."""
        full, null = source.with_pose(pose.pose_features), Conditioning(pose.prompt_embeds)
        if self.student is not None:
            w_pose, w_app = self._checked_guidance(self.student, w_pose, w_app)
        T, (low, high) = self.scheduler.config.num_train_timesteps, self._recipe.guidance_interval
        interval = None if (low, high) == (0, 1) else (low * T, high * T)
        return guided_denoiser(self._noise_prediction(), full, null, w_pose, w_app, interval)

    @staticmethod
    def _checked_guidance(student: Student, w_pose: float, w_app: float) -> tuple[float, float]:
        """The weights of one branch; warns of others than those that the student contains."""
        inside = student.pose_guidance_scale, student.appearance_guidance_scale
        if (w_pose, w_app) != inside:
            logger.warning("this model contains guidance of %g and %g; other weights have no effect", *inside)
        return 1, 1

    def _noise_prediction(self) -> PredictNoise:
        """The UNet for one sampling run, with the deep features that the recipe keeps of each batch of branches."""
        features: dict[int, Features] = defaultdict(lambda: Features(self._recipe.feature_cache))
        if self._recipe.feature_cache > 1:
            feature_cache.attach(self.unet)

        def predict(z_t: Tensor, t: Tensor, conditioning: Conditioning) -> Tensor:
            return self._engine.predict_noise(self.unet, z_t, t, conditioning, features[id(conditioning)])

        return predict

    def _trajectories(self) -> list[Evaluation]:
        """All calls of the UNet while PyTorch samples two training mannequins by the recipe."""
        calls: list[Evaluation] = []

        class Recorder(TorchEngine):
            def predict_noise(self, unet: Any, z_t: Tensor, t: Tensor, c: Conditioning, features: Features) -> Tensor:
                calls.append(Evaluation(z_t, t, c, dataclasses.replace(features)))
                return super().predict_noise(unet, z_t, t, c, features)

        sampler = copy.copy(self)
        sampler._engine = Recorder()
        open_people = functools.partial(PROCEDURAL_DATASETS["mannequin"], identities=2, poses=2, seed=0, split="train")
        people = open_people(size=DEEPFASHION_FRAME, cache_in_memory=False)
        for source, target in people.pairs[::2]:
            image, generator = transforms.to_pil(people.image(source)), torch.Generator().manual_seed(0)
            sampler(image, people.keypoints(target), generator=generator, output_type="latent")
        return calls

    def _prepare_latents(self, batch_size: int, generator: Generators | None, latents: Tensor | None) -> Tensor:
        shape = (batch_size, self.unet.config.in_channels, *self.conditioner.latent_size)
        if isinstance(generator, list) and len(generator) != batch_size:
            raise ValueError(f"{len(generator)} generators for {batch_size} samples; give one, or one per sample")
        if latents is None:
            return randn_tensor(shape, generator=generator, device=self._execution_device, dtype=self._dtype("unet"))
        if not isinstance(latents, Tensor) or tuple(latents.shape) != shape:
            found = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
            raise ValueError(f"latents must have shape {shape}, as a tensor, got {found}")
        if not torch.isfinite(latents).all():
            raise ValueError("latents hold NaN or infinite values; expected standard normal noise")
        return latents.to(self._execution_device, self._dtype("unet"))

    def _sample(
        self,
        denoise: Denoiser,
        z_T: Tensor,
        scheduler: Any,
        generator: Generators | None,
        callback: OnStepEnd | None,
        masked: OnStep | None = None,
    ) -> Tensor:
        def on_step(i: int, t: Tensor, z_t: Tensor) -> Tensor:
            z_t = masked(i, t, z_t) if masked else z_t
            return ((callback and callback(self, i, t, {"latents": z_t})) or {}).get("latents", z_t)

        with self._calls.start(len(scheduler.timesteps)) as call:
            timesteps = itertools.takewhile(lambda _: not call.interrupt, self.progress_bar(scheduler.timesteps))
            z_0 = sample(denoise, scheduler, timesteps, z_T * scheduler.init_noise_sigma, generator, on_step)
        return _finite(z_0, "latents", "the weights, the guidance scales and the weight dtype")

    def _encode(self, image: Image.Image) -> Tensor:
        """z_0 = E(y), (1, 4, h, w), of an image of any size, resized to the model's square."""
        side = self.conditioner.latent_size[0] * self.image_processor.config.vae_scale_factor
        square = inputs.source_batch(image, side).to(self._execution_device, self._dtype("vae"))
        return self.vae.encode(square).latent_dist.mode() * self.vae.config.scaling_factor

    def _decode(self, z_0: Tensor, size: tuple[int, int], output_type: str) -> Any:
        """y = D(z_0), resized from the model's square to `size`."""
        square = self._engine.decode(self.vae, z_0.to(self._dtype("vae")) / self.vae.config.scaling_factor)
        _finite(square, "images", "the VAE's weights, or give it another dtype: pipe.vae.to(torch.float32)")
        return self.image_processor.postprocess(transforms.resize(square.float(), size), output_type=output_type)


def _device(part: torch.nn.Module) -> torch.device:
    return next(part.parameters()).device


def _finite(values: Tensor, what: str, remedy: str) -> Tensor:
    """Returns the values; raises FloatingPointError for NaN and infinite ones, which would show as a black image."""
    if not torch.isfinite(values).all():
        raise FloatingPointError(f"the {what} hold NaN or infinite values; check {remedy}")
    return values


def _checked_size(size: Sequence[int]) -> tuple[int, int]:
    """Returns (height, width); raises ValueError if they are no such numbers, or out of range."""
    if len(size) != 2 or not all(map(is_whole_number, size)):
        raise ValueError(f"an output size is (height, width) in pixels, got {inputs.shown(size)}")
    height, width = map(operator.index, size)
    check_number(Side, "height", height)
    check_number(Side, "width", width)
    return height, width


def check_components(conditioner: Conditioner, unet: UNet2DConditionModel, vae: AutoencoderKL) -> None:
    """Raises ValueError naming the dimensions in which the components do not match."""
    c, u = conditioner.config, unet.config
    pairs = {
        "prompt_dim and the UNet's cross_attention_dim": (c.prompt_dim, u.cross_attention_dim),
        "unet_channels and the UNet's but the coarsest": (tuple(c.unet_channels), tuple(u.block_out_channels[:-1])),
        "attentions_per_block and the UNet's layers_per_block + 1": (c.attentions_per_block, u.layers_per_block + 1),
        "the VAE's latent_channels and the UNet's in_channels": (vae.config.latent_channels, u.in_channels),
    }
    if wrong := [f"{names} ({a} and {b})" for names, (a, b) in pairs.items() if a != b]:
        raise ValueError(f"the components do not match: {'; '.join(wrong)} must agree")
    if unhooked := [name for name in conditioner.bias_names if f"{name}.processor" not in unet.attn_processors]:
        raise ValueError(f"the components do not match: the UNet has no attention {', '.join(unhooked)}")


def _pair(source: SourceConditioning, pose: Conditioning) -> tuple[SourceConditioning, Conditioning]:
    """Repeats a single source or pose to the batch size of the other."""
    sources, poses = source.batch_size, pose.batch_size
    if sources != poses and 1 not in (sources, poses):
        raise ValueError(f"{sources} sources and {poses} poses; give equally many, or one of either")
    if sources < poses:
        return source.select([0] * poses), pose
    return source, pose if sources == poses else pose.select([0] * sources)


# where `DiffusionPipeline.from_pretrained` looks for the class of a model_index.json
diffusers.CFLDPipeline = CFLDPipeline
