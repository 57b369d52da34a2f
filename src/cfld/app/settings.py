"""What was asked for in each tab, as JSON and as the `cfld` command that draws the same image, to the bit.

Files are named without their folders: they lie together in the archive that is downloaded with a result.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cfld import __version__
from cfld.config.io import to_dict
from cfld.config.schema import SamplingConfig
from cfld.inference.attention import Blocks
from cfld.poses.fit import Fit
from cfld.poses.people import CONFIDENCE

POSE: str = "pose.json"
"""What a target pose is called: noise depends on the name."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the app was started with, as far as it decides images.

    Attributes:
        model: its name, not its folder.
        dtype: weight dtype.
        backend: what finds people in images.
        confidence: joints that it is less sure of are missing.
    """

    model: str = "mannequin"
    dtype: str = "float32"
    backend: str = "mannequin"
    confidence: float = CONFIDENCE

    def detector_options(self) -> list[str]:
        given = {"--pose.backend": self.backend, "--pose.confidence": self.confidence}
        return _options(given, {"--pose.backend": "mannequin", "--pose.confidence": CONFIDENCE})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all tabs ask for: a command, and all that decides its image."""

    task: ClassVar[str]
    served: Served = field(default_factory=Served)

    def arguments(self) -> list[str]:
        """Of `cfld`, without the program's own name."""
        raise NotImplementedError

    def command(self) -> str:
        """A line for the shell."""
        return shlex.join(["cfld", *self.arguments()])

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"task": self.task, **to_dict(self), "version": __version__, "command": self.command()}

    def _model_options(self) -> list[str]:
        given = {"--model": self.served.model, "--dtype": self.served.dtype}
        return _options(given, {"--model": "mannequin", "--dtype": "float32"})


@dataclass(frozen=True, kw_only=True)
class Sampled(Settings):
    """What is asked for where noise becomes images.

    Attributes:
        target_pose: a keypoint file.
    """

    target_pose: str = POSE
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def _sampling_options(self) -> list[str]:
        s = self.sampling
        given = {
            "--target-pose": self.target_pose,
            "--steps": s.steps,
            "--pose-guidance-scale": s.pose_guidance_scale,
            "--appearance-guidance-scale": s.appearance_guidance_scale,
            "--scheduler": s.scheduler,
            "--seed": s.seed,
        }
        return [*_options(given), *self._model_options()]


@dataclass(frozen=True, kw_only=True)
class PoseTransfer(Sampled):
    """A person in another pose.

    Attributes:
        source: the person's image.
        fit: see `fit_image`; none = the image as it is.
        retarget: put the pose on the source's own body.
    """

    task: ClassVar[str] = "pose transfer"
    source: str
    fit: Fit | None = None
    retarget: bool = False

    def arguments(self) -> list[str]:
        own = [*_options({"--fit": self.fit}), *(["--retarget"] if self.retarget else [])]
        found = self.served.detector_options() if own else []
        return ["generate", "--source", self.source, *own, *found, *self._sampling_options(), "--out", "outputs"]


@dataclass(frozen=True, kw_only=True)
class StyleTransfer(Sampled):
    """One person's clothes in a part of another's image.

    Attributes:
        reference: the image to edit; `target_pose` is its own.
        mask: white where to draw.
        source: whose style it gets.
        feather: width of the transition in pixels.
        paste: keep what is not masked to the bit.
    """

    task: ClassVar[str] = "style transfer"
    reference: str
    mask: str
    source: str
    feather: float = 0.0
    paste: bool = True

    def arguments(self) -> list[str]:
        files = {"--reference": self.reference, "--mask": self.mask, "--source": self.source, "--feather": self.feather}
        how = [*_options(files, {"--feather": 0.0}), *(["--paste"] if self.paste else [])]
        return ["edit", "transfer", *how, *self._sampling_options(), "--out", "edited.png"]


@dataclass(frozen=True, kw_only=True)
class Interpolation(Sampled):
    """One person's clothes on the way to another's.

    Attributes:
        sources: images of people.
        weights: one a source, 1 in sum, for one image; none = a strip.
        frames: so many images on the way through all sources, where there are no weights.
    """

    task: ClassVar[str] = "interpolation"
    sources: tuple[str, ...]
    weights: tuple[float, ...] | None = None
    frames: int = 5

    def arguments(self) -> list[str]:
        weights = self.weights
        rows = ["--frames", str(self.frames)] if weights is None else ["--weights", *map(repr, weights)]
        return [
            *("edit", "interpolate", "--source", *self.sources),
            *(*rows, *self._sampling_options(), "--out", "interpolated.png"),
        ]


@dataclass(frozen=True, kw_only=True)
class Attention(Settings):
    """Where the learned queries look in images.

    Attributes:
        sources: images of people.
        blocks: see `query_attention`.
    """

    task: ClassVar[str] = "attention"
    sources: tuple[str, ...]
    blocks: Blocks = "last"

    def arguments(self) -> list[str]:
        given = ["--source", *self.sources, "--blocks", self.blocks]
        return ["attention", *given, *self._model_options(), "--out", "attention.png"]


def _options(given: dict[str, Any], defaults: dict[str, Any] | None = None) -> list[str]:
    """Names and values; left out are those that are none, and those that are as by default."""
    asked = {name: value for name, value in given.items() if value is not None}
    told = {name: value for name, value in asked.items() if value != (defaults or {}).get(name)}
    return [text for name, value in told.items() for text in (name, str(value))]
