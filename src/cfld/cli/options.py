"""Options that several commands share: each has its name, default and help text here, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from tyro.conf import OmitArgPrefixes, arg

from cfld.claims import Input, Output
from cfld.config.recipes import CacheInterval, DType, EngineName, Interval, Recipe, RecipeName, combine
from cfld.config.schema import SamplingConfig
from cfld.poses.registry import DETECTORS
from cfld.ranges import Byte, Count, Range, Side

if TYPE_CHECKING:
    import torch

    from cfld.inference.pose_reading import PoseReader
    from cfld.inference.preprocessing import Preprocessing
    from cfld.pipeline import CFLDPipeline
    from cfld.poses.segmenters import Segmenter

    Backend: TypeAlias = str
else:
    Backend = Literal[tuple(DETECTORS)]


def option(help: str, default: str | None = None) -> Any:
    """An option's help text; `default` says in words what happens without the option."""
    return arg(help=help, help_behavior_hint=None if default is None else f"(default: {default})")


Device: TypeAlias = Annotated[str | None, option("Device to run on, for example cpu, cuda, cuda:1 or mps.", "auto")]
Frame: TypeAlias = Annotated[
    tuple[Side, Side] | None,
    option(
        "Height and width of the image that keypoint coordinates refer to, for rows of an annotation CSV and keypoint "
        "files that do not store it. Market-1501: 128 64. Coordinates from 0 to 1 need it.",
        "256 176",
    ),
]
Annotations: TypeAlias = Annotated[
    Path | None, option("Annotation CSV (name:keypoints_y:keypoints_x) in which target poses are looked up.", "none")
]
Fit: TypeAlias = Annotated[
    Literal["crop", "letterbox"] | None,
    option(
        "Cut the image to the aspect ratio of the training images, 256:176, with the person as tall in it as theirs. "
        "crop: stay inside the image. letterbox: extend beyond it where necessary, filled with --background.",
        "keep the image",
    ),
]
Background: TypeAlias = Annotated[
    tuple[Byte, Byte, Byte] | Literal["plain"] | None,
    option(
        "Red, green and blue, 0 to 255, of the background that is filled in. Or plain: all but the person becomes as "
        "plain as in the training images, by a segmenter.",
        "median colour of the image's edge",
    ),
]
Split: TypeAlias = Annotated[Literal["train", "test"], option("Split of --data.")]
SkipMissing: TypeAlias = Annotated[
    bool, option("Skip pairs of --data whose image or annotation is missing, instead of stopping.")
]
MetricWeights: TypeAlias = Annotated[
    Path | None,
    option(
        "Folder of the weight files of Inception, AlexNet and VGG, for FID and LPIPS; missing ones are downloaded.",
        "that of torch.hub",
    ),
]
Json: TypeAlias = Annotated[bool, option("Print JSON instead of text.")]


DTYPE: Final = (
    "Weight dtype. auto: the fastest on this machine, timed once and kept in --engine-cache. int8: with --engine "
    "openvino."
)


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """The model, and where and in which dtype it runs."""

    model: Annotated[str, Input()] = "mannequin"
    """`mannequin`, the bundled model; a model folder; or a hub id."""
    device: Device = None
    dtype: Annotated[DType | None, option(DTYPE, "the recipe's")] = None
    engine: Annotated[
        EngineName | None,
        option(
            "What computes the UNet. openvino: faster on CPUs, not to the bit; exports the UNet once into "
            "--engine-cache (needs cfld[openvino]).",
            "the recipe's",
        ),
    ] = None
    engine_cache: Annotated[
        Path | None, Output("shared folder"), option("Folder that keeps what engines export.", "~/.cache/cfld")
    ] = None

    def open(self, recipe: Recipe | None = None) -> CFLDPipeline:
        """Loads the model.

        Args:
            recipe: how it samples; None = as in the paper, in this dtype.

        Raises:
            ValueError: naming the option that is wrong.
        """
        import torch
        from diffusers.utils import logging

        from cfld.pipeline import CFLDPipeline

        logging.disable_progress_bar()
        recipe = recipe or recipe_of(self)
        assert recipe.dtype is not None
        dtype = getattr(torch, recipe.dtype if recipe.engine == "torch" else "float32")
        pipe = CFLDPipeline.from_pretrained(self.model, torch_dtype=dtype)  # `to` with a dtype would warn
        placed: CFLDPipeline = pipe.to(find_device(self.device))
        return placed.use_recipe(recipe, self.engine_cache)


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """How images are sampled: a recipe, and changes to it."""

    recipe: RecipeName = "exact"
    """exact: as in the paper. fast: few steps of DPM-Solver++. fastest: fewer, the last ones without guidance, every
    second one with kept features. --steps, --scheduler, --dtype and the options below change the recipe."""
    guidance_interval: Annotated[
        Interval | None,
        option("Guide only from the first to the second t / T, 0 (no noise) to 1 (noise alone).", "the recipe's"),
    ] = None
    feature_cache: Annotated[
        CacheInterval | None,
        option("Run the whole UNet every so many steps, between them its last layer on kept features.", "the recipe's"),
    ] = None


def recipe_of(*groups: Any) -> Recipe:
    """The recipe of groups of options for their model, with the dtype that `auto` stands for.

    Raises:
        ValueError: for values that do not fit together.
    """
    from cfld.models.student import find_student
    from cfld.pipeline import model_folder

    (pipeline,) = (group for group in groups if isinstance(group, PipelineOptions))
    student = find_student(model_folder(pipeline.model))
    recipe = combine(*map(vars, groups), student={} if student is None else student.sampling)
    if recipe.dtype != "auto":
        return recipe
    from cfld.engines.base import CACHE
    from cfld.engines.dtypes import fastest_dtype

    dtype: Any = fastest_dtype(find_device(pipeline.device), recipe.engine, pipeline.engine_cache or CACHE)
    return replace(recipe, dtype=dtype)


def find_device(name: str | None) -> torch.device:
    """The device of that name; for None CUDA or MPS where available, else the CPU.

    Raises:
        ValueError: for a device that is not available.
    """
    import torch

    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name} is not available ({str(error).splitlines()[0]})") from None


@dataclass(frozen=True, kw_only=True)
class DetectorOptions:
    """The pose detector, which finds the joints of people in images."""

    backend: Backend = "auto"
    """auto: mannequin for synthetic people, else mediapipe or rtmpose, whichever is installed. mannequin: synthetic
    people, bundled. rtmpose: photographs, by RTMPose or DWPose in ONNX format (needs cfld[pose]). mediapipe:
    photographs, by MediaPipe's pose landmarker (needs cfld[mediapipe])."""
    model: Annotated[
        Path | None,
        option(
            "Model file of the backend (mannequin: folder). Default models of rtmpose, dw-ll_ucoco_384.onnx (134 MB, "
            "Apache-2.0), and mediapipe, pose_landmarker_full.task (9 MB, Apache-2.0), are downloaded once.",
            "the backend's default model",
        ),
    ] = None
    detector: Annotated[
        Path | None,
        option(
            "rtmpose: YOLOX file of the person detector that runs first. Used with the default model: yolox_l.onnx "
            "(217 MB, Apache-2.0), downloaded once. With another model and no detector, the whole image is taken as "
            "one person.",
            "see text",
        ),
    ] = None
    confidence: Annotated[float, Range(0, 1, below=True)] = 0.3
    """Joints with a lower confidence, in the detector's output or in a keypoint file, count as missing."""
    person: Annotated[Count | None, option("Which of several people, 1 = the largest.", "the largest")] = None
    segmenter: Annotated[
        Path | None,
        option(
            "File of the segmenter for plain backgrounds: pose landmarker (.task) or selfie segmenter (.tflite) of "
            "MediaPipe, or U2-Net of rembg (.onnx).",
            "what is installed",
        ),
    ] = None

    def reader(self) -> PoseReader:
        from cfld.inference.pose_reading import PoseReader
        from cfld.poses.estimate import open_detector

        return PoseReader(
            lambda: open_detector(self.backend, self.model, self.detector, self.confidence),
            self.person,
            self.confidence,
        )

    def open_segmenter(self) -> Segmenter:
        """The segmenter for plain backgrounds; raises ValueError as `cfld.poses.segmenters.open_segmenter`."""
        from cfld.poses.segmenters import open_segmenter

        own = self.model if self.model is not None and self.model.suffix == ".task" else None
        return open_segmenter(self.segmenter or own)


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """Options of the commands that generate images."""

    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    recipe: OmitArgPrefixes[RecipeOptions] = field(default_factory=RecipeOptions)
    pipeline: OmitArgPrefixes[PipelineOptions] = field(default_factory=PipelineOptions)

    def open_pipeline(self) -> CFLDPipeline:
        """Checks the sampling options and loads the model."""
        from cfld.inputs import check_sampling

        recipe = recipe_of(self.sampling, self.recipe, self.pipeline)
        check_sampling(**{**self.sampling.arguments(), "num_inference_steps": recipe.steps})
        return self.pipeline.open(recipe)


@dataclass(frozen=True, kw_only=True)
class PreprocessingOptions:
    """Preprocessing of the images given with --source."""

    fit: Fit = None
    background: Background = None
    retarget: bool = False
    """Transfer the target poses to the body in the source image: its bone lengths and position, their directions."""
    source_pose: Annotated[
        Path | None,
        option(
            "Keypoint file with the pose in the source image, or another image to detect it in. Only used by --fit, "
            "--retarget and --background plain.",
            "detect it in the source image",
        ),
    ] = None

    def open(self, detector: DetectorOptions) -> Preprocessing:
        from cfld.inference.preprocessing import Preprocessing
        from cfld.poses.segmenters import PLAIN

        return Preprocessing(
            fit=self.fit,
            background=PLAIN if self.background == "plain" else self.background,
            segmenter=detector.open_segmenter() if self.background == "plain" else None,
            retarget=self.retarget,
            source_pose=self.source_pose,
            reader=detector.reader(),
        )


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turns a missing package into an error that names the extra of cfld that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(f"this command needs the package {error.name}: pip install 'cfld[{name}]'") from None
