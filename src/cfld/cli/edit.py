"""`cfld edit`: appearance editing, section 4.6 of the paper.

cfld edit transfer --reference me.png --mask shirt.png --source style.png --target-pose pose.json --out edited.png
cfld edit transfer --reference me.png --mask m.png --source style.png --target-pose 3 --feather 4 --paste --out e.png
cfld edit interpolate --source a.png b.png --frames 9 --target-pose pose.json --out strip.png
cfld edit interpolate --source a.png b.png c.png --frames 24 --target-pose 7 --out styles.gif
cfld edit interpolate --source a.png b.png --weights 0.3 0.7 --target-pose 7 --out mixed.png
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from tyro.conf import UseAppendAction, subcommand

from cfld.claims import Input, Output
from cfld.cli.options import Annotations, DetectorOptions, Frame, GenerationOptions
from cfld.cli.output import MOVING, SETTINGS, STILL, save_images, settings_of
from cfld.ranges import Frames, Range, Share

if TYPE_CHECKING:
    from cfld.inference.jobs import Job

FRAMES: Final = 9


@dataclass(frozen=True, kw_only=True)
class EditOptions(GenerationOptions):
    """Options of both edits."""

    target_pose: Annotated[str, Input()]
    """Keypoint file, image of a person, row name of --annotations, or a number: random seed of a mannequin pose."""
    annotations: Annotations = None
    frame: Frame = None
    pose: DetectorOptions = field(default_factory=DetectorOptions)

    def jobs(self, *sources: Path) -> list[Job]:
        """One job per source, the same as those of `cfld generate`."""
        from cfld.data.transforms import read_image
        from cfld.inference.jobs import file_job
        from cfld.inference.pose_reading import target_poses
        from cfld.poses.render import check_drawn

        for source in sources:
            read_image(source)  # reports an unreadable file before loading a model
        ((name, pose),) = target_poses([self.target_pose], self.annotations, self.frame, self.pose.reader()).items()
        check_drawn(pose, self.target_pose)
        return [file_job(source, name, pose) for source in sources]


@dataclass(frozen=True, kw_only=True)
class Transfer(EditOptions):
    """Style transfer: generate the clothes of one image in the masked part of another (figure 6a)."""

    reference: Path
    """Image to edit."""
    mask: Path
    """Mask of the size of the reference: white where to generate, black where to keep the reference."""
    source: Path
    """Image whose style the masked part gets."""
    out: Annotated[Path, Output("file", (*STILL,), companions=SETTINGS)]
    """PNG or JPEG file to write. The settings are saved as FILE.json."""
    feather: Annotated[float, Range(0, 10_000)] = 0.0
    """Width of the soft transition inside the mask's edge, in pixels of the reference; 0 = hard edge."""
    paste: bool = False
    """Write the result at the size of the reference, with its unmasked pixels unchanged: they do not pass the VAE."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.diffusion.masking import soft_mask
        from cfld.inference.editing import transfer_style
        from cfld.readers.images import read_pixels

        reference, mask, (job,) = read_image(self.reference), read_pixels(self.mask), self.jobs(self.source)
        soft_mask(mask, (reference.height, reference.width), self.feather)  # reports a bad mask before loading a model
        edited = transfer_style(self.open_pipeline(), reference, mask, job, self.sampling, self.feather, self.paste)
        save_images([edited], self.out, settings_of(self))


@dataclass(frozen=True, kw_only=True)
class Interpolate(EditOptions):
    """Style interpolation: the clothes of one person change into another's, in one pose (figure 6b)."""

    source: tuple[Path, ...]
    """Images of people, at least one."""
    out: Annotated[Path, Output("file", (*STILL, *MOVING), companions=SETTINGS)]
    """File to write: an image or a strip of images as .png or .jpg, an animation as .gif, .webp, .apng or .mp4. The
    settings are saved as FILE.json."""
    weights: UseAppendAction[tuple[tuple[Share, ...], ...]] = ()
    """One weight per source, with sum 1; repeat the option for several images."""
    frames: Frames | None = None
    """Instead of --weights: number of images, evenly spaced from the first source to the last; 9 by default."""

    def run(self) -> None:
        from cfld.diffusion.interpolation import check_weights, interpolation_weights
        from cfld.inference.editing import interpolate_styles, strip

        if self.weights and self.frames is not None:
            raise ValueError("give either --weights or --frames")
        frames = FRAMES if self.frames is None else self.frames
        rows = list(self.weights) or interpolation_weights(len(self.source), frames)
        for weights in rows:
            check_weights(len(self.source), weights)
        jobs = self.jobs(*self.source)
        images = interpolate_styles(self.open_pipeline(), jobs, rows, self.sampling)
        moving = self.out.suffix.lower() in MOVING
        save_images(images if moving else [strip(images, rows)], self.out, settings_of(self))


Edit = Annotated[
    Transfer | Interpolate,
    subcommand("edit", description="Edit appearance: style transfer with a mask, and style interpolation."),
]
