"""The settings of a result: as JSON, and as the `cfld` command that generates the same image, to the bit.

Files are named without folders: the archive that is downloaded with a result holds all of them side by side.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from cfld import __version__
from cfld.config.io import to_dict
from cfld.config.recipes import get_recipe
from cfld.config.schema import SamplingConfig
from cfld.inference.attention import Blocks
from cfld.poses.fit import Fit
from cfld.poses.people import CONFIDENCE

POSE: Final = "pose.json"
"""File name of a target pose; the noise depends on it."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """The options of `cfld app` that its images depend on.

    Attributes:
        model: name of the model, without its folder.
        dtype: weight dtype.
        backend: the detector that finds people in images.
        confidence: joints below it are missing.
        recipe, guidance_interval, feature_cache, engine: see `cfld.config.recipes`; None = the recipe's.
    """

    model: str = "mannequin"
    dtype: str = "float32"
    backend: str = "auto"
    confidence: float = CONFIDENCE
    recipe: str = "exact"
    guidance_interval: tuple[float, float] | None = None
    feature_cache: int | None = None
    engine: str | None = None

    def options(self, *names: str, prefix: str = "") -> list[str]:
        """Command-line options for those of the named fields that differ from their defaults."""
        default = ServedModel(dtype=str(get_recipe(self.recipe).dtype))
        values = {name: getattr(self, name) for name in names}
        return _options(**{prefix + n: value for n, value in values.items() if value != getattr(default, n)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that determines a result: a command and its options. The fields are the keys of the JSON file."""

    task: ClassVar[str]
    served: ServedModel = field(default_factory=ServedModel)

    def arguments(self) -> list[str]:
        """Command-line arguments of `cfld`."""
        raise NotImplementedError

    def command(self) -> str:
        """The command as a line for the shell."""
        return shlex.join(["cfld", *self.arguments()])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"task": self.task, **to_dict(self), "version": __version__, "command": self.command()}


@dataclass(frozen=True, kw_only=True)
class Sampled(Settings):
    """Settings of a result that is sampled from noise.

    Attributes:
        target_pose: a keypoint file.
    """

    target_pose: str = POSE
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def _sampling_options(self) -> list[str]:
        sampling = _options(target_pose=self.target_pose, **vars(self.sampling))
        recipe = self.served.options("recipe", "guidance_interval", "feature_cache", "engine")
        return [*sampling, *self.served.options("model", "dtype"), *recipe]


@dataclass(frozen=True, kw_only=True)
class PoseTransfer(Sampled):
    """A person in another pose.

    Attributes:
        source: image of the person.
        fit: see `fit_image`; None = the image is not cropped or padded.
        background: `plain` = all but the person is replaced; None = it is kept.
        retarget: adapt the pose to the source's own body.
    """

    task: ClassVar[str] = "pose transfer"
    source: str
    fit: Fit | None = None
    background: Literal["plain"] | None = None
    retarget: bool = False

    def arguments(self) -> list[str]:
        preprocessing = _options(fit=self.fit, background=self.background, retarget=self.retarget)
        detector = self.served.options("backend", "confidence", prefix="pose.") if preprocessing else []
        options = [*_options(source=self.source), *preprocessing, *detector, *self._sampling_options()]
        return ["generate", *options, "--out", "outputs"]


@dataclass(frozen=True, kw_only=True)
class StyleTransfer(Sampled):
    """One person's clothes in the masked part of another person's image.

    Attributes:
        reference: the image to edit; `target_pose` is the pose in it.
        mask: white where to generate.
        source: the image whose style is transferred.
        feather: width of the mask's soft edge in pixels.
        paste: keep unmasked pixels of the reference to the bit.
    """

    task: ClassVar[str] = "style transfer"
    reference: str
    mask: str
    source: str
    feather: float = 0.0
    paste: bool = True

    def arguments(self) -> list[str]:
        files = _options(reference=self.reference, mask=self.mask, source=self.source)
        options = _options(feather=self.feather or None, paste=self.paste)
        return ["edit", "transfer", *files, *options, *self._sampling_options(), "--out", "edited.png"]


@dataclass(frozen=True, kw_only=True)
class Interpolation(Sampled):
    """Images between the clothes of several people.

    Attributes:
        sources: images of people.
        weights: one per source, with sum 1, for a single image; None = a strip.
        frames: images of the strip.
    """

    task: ClassVar[str] = "interpolation"
    sources: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    frames: int = 5

    def arguments(self) -> list[str]:
        options = _options(source=self.sources, weights=self.weights, frames=None if self.weights else self.frames)
        return ["edit", "interpolate", *options, *self._sampling_options(), "--out", "interpolated.png"]


@dataclass(frozen=True, kw_only=True)
class Attention(Settings):
    """The image regions that the learned queries attend to.

    Attributes:
        sources: images of people.
        blocks: see `query_attention`.
    """

    task: ClassVar[str] = "attention"
    sources: tuple[str, ...]
    blocks: Blocks = "last"

    def arguments(self) -> list[str]:
        options = _options(source=self.sources, blocks=self.blocks)
        return ["attention", *options, *self.served.options("model", "dtype"), "--out", "attention.png"]


def _options(**values: Any) -> list[str]:
    """Command-line options by name; True is a flag without a value, None and False are left out."""
    options: list[str] = []
    for name, value in values.items():
        if value is not None and value is not False:
            texts = () if value is True else value if isinstance(value, tuple) else (value,)
            options += [f"--{name.replace('_', '-')}", *map(str, texts)]
    return options
