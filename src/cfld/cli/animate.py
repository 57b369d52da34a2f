"""`cfld animate`: one person in a sequence of poses, as an animated image or a video.

cfld animate --source me.png --poses walk --frames 16 --out walk.gif
cfld animate --source me.png --poses poses/ --retarget --out dance.mp4 --fps 12
cfld animate --source me.jpg --fit letterbox --pose.backend rtmpose --poses list.json --out me.webp
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from tyro.conf import OmitArgPrefixes

from cfld.claims import Input, Output
from cfld.cli.options import DetectorOptions, Frame, GenerationOptions, PreprocessingOptions
from cfld.cli.output import MOVING, SETTINGS, save_images, settings_of
from cfld.ranges import Batch, Frames, Range

FORMATS: Final = (*MOVING, ".png")
"""A .png is an animated one."""


@dataclass(frozen=True, kw_only=True)
class Animate(GenerationOptions):
    """Generate one person in a sequence of poses. All frames start from the same noise: only the pose changes."""

    source: Path
    """Image of a person."""
    poses: Annotated[str, Input()]
    """walk: the walk cycle of a mannequin. Or a folder of keypoint files or images, in the order of their names. Or
    one JSON file with a list of poses or of ControlNet images."""
    out: Annotated[Path, Output("file", FORMATS, companions=SETTINGS)]
    """File to write: .gif, .webp, .png or .apng (animated), or .mp4. The settings are saved as FILE.json."""
    frames: Frames | None = None
    """Number of frames; walk has 16 by default, other sequences all of their poses, or this many, evenly spaced."""
    fps: Annotated[float, Range(0, 100, above=True)] = 10.0
    """Frames per second."""
    frame: Frame = None
    batch: Batch = 8
    """Batch size; it does not change the images."""
    preprocessing: OmitArgPrefixes[PreprocessingOptions] = field(default_factory=PreprocessingOptions)
    pose: DetectorOptions = field(default_factory=DetectorOptions)

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.inference.animation import generate_frames, read_sequence
        from cfld.inference.preprocessing import preprocess_sequence

        preprocessing = self.preprocessing.open(self.pose)
        image = read_image(self.source)
        poses = read_sequence(self.poses, self.frames, self.frame, preprocessing.reader)
        sequence = preprocess_sequence(image, str(self.source), poses, preprocessing)
        images = generate_frames(self.open_pipeline(), sequence.image, sequence.poses, self.sampling, self.batch)
        save_images(images, self.out, settings_of(self), frame_ms=1000 / self.fps)
