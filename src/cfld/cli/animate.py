"""`cfld animate`: one person in a sequence of poses, as an animated image or a video.

cfld animate --source me.png --poses walk --frames 16 --out walk.gif
cfld animate --source me.png --poses poses/ --retarget --out dance.mp4 --fps 12
cfld animate --source me.jpg --fit letterbox --pose.backend rtmpose --poses list.json --out me.webp
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tyro.conf import OmitArgPrefixes

from cfld.cli.generate import open_pipeline
from cfld.cli.output import MOVING, check_output, save_images, settings_of
from cfld.cli.pose import DetectorOptions, PreprocessingOptions
from cfld.config.schema import SamplingConfig

ENDINGS: Final = (*MOVING, ".png")
"""A .png is an animated one."""


@dataclass(frozen=True, kw_only=True)
class Animate:
    """Draw one person in many poses. The noise is the same in all frames, so that only the pose changes."""

    source: Path
    """An image of a person."""
    poses: str
    """`walk`: a mannequin's walk cycle. Or a folder of keypoint files or images, taken in the order of their
    names. Or one JSON file: a list of poses, or of ControlNet's images."""
    out: Path
    """The file to write: .gif, .webp, .png or .apng (animated), .mp4. The settings are kept beside it, in a file of
    that name plus .json."""
    frames: int | None = None
    """Of walk: how many frames a cycle has, 16 by default. Else: so many poses, evenly spaced, instead of all."""
    fps: float = 10.0
    """Frames a second."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    frame: tuple[int, int] = (256, 176)
    """Height and width of the image that keypoint files refer to, where they do not tell."""
    own: OmitArgPrefixes[PreprocessingOptions] = field(default_factory=PreprocessingOptions)
    """What is done to own images."""
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How poses are found in images."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How images are sampled."""
    batch: int = 8
    """Frames drawn side by side."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Weight dtype."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.inference.animation import generate_frames, read_sequence
        from cfld.inference.preprocessing import prepare_sequence
        from cfld.inputs import check_sampling

        self._check()
        check_sampling(**self.sampling.arguments())
        preparation = self.own.preparation(self.pose)
        image = read_image(self.source)
        poses = read_sequence(self.poses, self.frames, self.frame, preparation.reader)
        ready = prepare_sequence(image, str(self.source), poses, preparation)
        pipe = open_pipeline(self.model, self.sampling.scheduler, self.device, self.dtype)
        images = generate_frames(pipe, ready.image, ready.poses, self.sampling, self.batch)
        save_images(images, self.out, settings_of(self), frame_ms=1000 / self.fps)
        print(self.out)

    def _check(self) -> None:
        check_output(self.out, [self.source], ENDINGS)
        if not 0 < self.fps <= 100:
            raise ValueError(f"--fps must be above 0 and at most 100, got {self.fps}")
        if self.batch < 1:
            raise ValueError(f"--batch must be at least 1, got {self.batch}")
