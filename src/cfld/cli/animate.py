"""`cfld animate`: one person in a sequence of poses, as an animated picture or a video.

cfld animate --source me.png --poses walk --frames 16 --out walk.gif
cfld animate --source me.png --poses poses/ --retarget --out dance.mp4 --fps 12
cfld animate --source me.jpg --fit letterbox --pose.backend rtmpose --poses list.json --out me.webp
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tyro.conf import OmitArgPrefixes

from cfld.cli.generate import open_pipeline
from cfld.cli.pose import DetectorOptions, OwnPictureOptions
from cfld.config.schema import SamplingConfig

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG", ".mp4": "mp4"}
"""By the file's ending; a .png is an animated one."""


@dataclass(frozen=True, kw_only=True)
class Animate:
    """Draw one person in many poses. The noise is the same in all frames, so that only the pose changes."""

    source: Path
    """A picture of a person."""
    poses: str
    """`walk`: a drawn person's walk cycle. Or a folder of keypoint files or pictures, taken in the order of their
    names. Or one JSON file: a list of poses, or of ControlNet's pictures."""
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
    """Height and width of the picture that keypoint files refer to, where they do not tell."""
    own: OmitArgPrefixes[OwnPictureOptions] = field(default_factory=OwnPictureOptions)
    """What is done to own pictures."""
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How poses are found in pictures."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How pictures are sampled."""
    batch: int = 8
    """Frames drawn side by side."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the weights."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.evaluation.animation import draw_frames, read_sequence
        from cfld.evaluation.own_pictures import prepare_sequence
        from cfld.inputs import check_sampling

        self._check()
        check_sampling(self.sampling.steps, self.sampling.pose_guidance_scale, self.sampling.appearance_guidance_scale)
        preparation = self.own.preparation(self.pose)
        image = read_image(self.source)
        poses = read_sequence(self.poses, self.frames, self.frame, preparation.reader)
        ready = prepare_sequence(image, str(self.source), poses, preparation)
        pipe = open_pipeline(self.model, self.sampling.scheduler, self.device, self.dtype)
        pictures = draw_frames(pipe, ready.image, ready.poses, self.sampling, self.batch)
        save_animation(pictures, self.out, self.fps)
        self._save_settings()
        print(self.out)

    def _check(self) -> None:
        if self.out.suffix.lower() not in FORMATS:
            raise ValueError(f"{self.out}: the ending says the format, one of {', '.join(FORMATS)}")
        if self.out.is_dir() or self.out.resolve() == self.source.resolve():
            raise ValueError(f"{self.out}: is a folder or the source itself; name another file to write")
        if not 0 < self.fps <= 100:
            raise ValueError(f"--fps must be above 0 and at most 100, got {self.fps}")
        if self.batch < 1:
            raise ValueError(f"--batch must be at least 1, got {self.batch}")

    def _save_settings(self) -> None:
        from cfld import __version__
        from cfld.config.io import save_json, to_dict

        settings: Mapping[str, Any] = {**to_dict(self), "version": __version__}
        kept = {name: value for name, value in settings.items() if name not in ("out", "batch", "device")}
        save_json(kept, self.out.with_name(f"{self.out.name}.json"))


def save_animation(pictures: Sequence[Image.Image], out: Path, fps: float) -> None:
    """Writes the frames, whole or not at all, as the ending of `out` says; animated pictures go round for ever.

    Raises:
        ValueError: when OpenCV cannot write videos here.
    """
    from cfld.data.preparation import replacing

    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".mp4":
        _save_video(pictures, out, fps)
        return
    options: dict[str, Any] = {"append_images": pictures[1:], "duration": round(1000 / fps), "loop": 0}
    with replacing(out) as temporary:  # `lossless` is for WebP, which else leaves out frames that differ little
        pictures[0].save(temporary, format=FORMATS[out.suffix.lower()], save_all=True, lossless=True, **options)


def _save_video(pictures: Sequence[Image.Image], out: Path, fps: float) -> None:
    import cv2
    import numpy as np

    temporary = out.with_name(f".{out.stem}.part.mp4")  # OpenCV goes by the ending
    height, width = (side + side % 2 for side in (pictures[0].height, pictures[0].width))  # videos have even sides
    video = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    try:
        if not video.isOpened():
            raise ValueError(f"{out}: OpenCV cannot write videos here; take another ending, for example .webp")
        for picture in pictures:
            pixels = np.asarray(picture.convert("RGB"))[..., ::-1]
            margins = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
            video.write(np.ascontiguousarray(np.pad(pixels, margins, mode="edge")))
        video.release()
        temporary.replace(out)
    finally:
        video.release()
        temporary.unlink(missing_ok=True)
