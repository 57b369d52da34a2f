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
from typing import TYPE_CHECKING, Annotated, Final, Literal

from tyro.conf import OmitArgPrefixes, UseAppendAction, subcommand

from cfld.cli.generate import open_pipeline
from cfld.cli.output import MOVING, STILL, check_output, save_images, settings_of
from cfld.cli.pose import DetectorOptions
from cfld.config.schema import SamplingConfig

if TYPE_CHECKING:
    from cfld.inference.generation import Job
    from cfld.pipeline import CFLDPipeline

FRAMES: Final = 9


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """What both edits are told."""

    target_pose: str
    """A keypoint file, an image of a person, a row name of --annotations, or a number: a mannequin pose's seed."""
    annotations: Path | None = None
    """An annotation CSV (name:keypoints_y:keypoints_x) to look the target pose up in."""
    frame: tuple[int, int] = (256, 176)
    """Height and width of the images that the rows of --annotations refer to; Market-1501: 128 64."""
    pose: DetectorOptions = field(default_factory=DetectorOptions)
    """How a pose is found in an image."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How images are sampled. The noise is that of `cfld generate` for the first source and this pose."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Weight dtype."""

    def job(self, source: Path) -> Job:
        """What `cfld generate` would be asked to draw: the source in the target pose."""
        from cfld.data.transforms import read_image
        from cfld.inference.generation import Job, target_poses

        image = read_image(source)
        ((name, pose),) = target_poses([self.target_pose], self.annotations, self.frame, self.pose.reader()).items()
        return Job(str(source), lambda: image, pose, f"{source.stem}_to_{name}")

    def open(self) -> CFLDPipeline:
        return open_pipeline(self.model, self.sampling.scheduler, self.device, self.dtype)


@dataclass(frozen=True, kw_only=True)
class Transfer(EditOptions):
    """Style transfer: draw the clothes of one image into the masked part of another (figure 6a)."""

    reference: Path
    """The image to edit."""
    mask: Path
    """White where to generate, black where the reference stays; as large as the reference."""
    source: Path
    """The image whose style the masked part gets."""
    out: Path
    """The PNG or JPEG to write; the settings are kept beside it, in a file of that name plus .json."""
    feather: float = 0.0
    """Width in pixels of the transition along the inside of the mask's edge; 0 is a hard edge."""
    paste: bool = False
    """Make the result as large as the reference and keep its unmasked pixels to the bit, not through the VAE."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.diffusion.masking import soft_mask
        from cfld.inference.editing import read_mask, transfer_style
        from cfld.inputs import check_sampling

        check_output(self.out, (self.reference, self.mask, self.source))
        check_sampling(**self.sampling.arguments())
        reference, mask, job = read_image(self.reference), read_mask(self.mask), self.job(self.source)
        soft_mask(mask, (reference.height, reference.width), self.feather)  # bad ones are told before a model loads
        edited = transfer_style(self.open(), reference, mask, job, self.sampling, self.feather, self.paste)
        save_images([edited], self.out, settings_of(self))
        print(self.out)


@dataclass(frozen=True, kw_only=True)
class Interpolate(EditOptions):
    """Style interpolation: one person's clothes turn into another's, in one pose (figure 6b)."""

    source: tuple[Path, ...]
    """Images of people, at least one."""
    out: Path
    """The file to write: an image or a strip of them as .png or .jpg, an animation as .gif, .webp, .apng or .mp4. The
    settings are kept beside it, in a file of that name plus .json."""
    weights: UseAppendAction[tuple[tuple[float, ...], ...]] = ()
    """One weight a source, 1 in sum; given several times, several images."""
    frames: int | None = None
    """In place of --weights: so many images on an even way through all sources; 9 by default."""

    def run(self) -> None:
        from cfld.diffusion.interpolation import check_weights
        from cfld.inference.editing import interpolate_styles, strip
        from cfld.inputs import check_sampling

        check_output(self.out, self.source, (*STILL, *MOVING))
        check_sampling(**self.sampling.arguments())
        rows = self._rows()
        for weights in rows:
            check_weights(len(self.source), weights)
        jobs = [self.job(source) for source in self.source]
        images = interpolate_styles(self.open(), jobs, rows, self.sampling)
        moving = self.out.suffix.lower() in MOVING
        save_images(images if moving else [strip(images, rows)], self.out, settings_of(self))
        print(self.out)

    def _rows(self) -> list[tuple[float, ...]]:
        from cfld.diffusion.interpolation import interpolation_weights

        if self.weights and self.frames is not None:
            raise ValueError("give --weights or --frames, not both")
        return list(self.weights) or interpolation_weights(
            len(self.source), FRAMES if self.frames is None else self.frames
        )


Edit = Annotated[
    Annotated[Transfer, subcommand("transfer")] | Annotated[Interpolate, subcommand("interpolate")],
    subcommand("edit", description="Edit appearance: style transfer under a mask, style interpolation."),
]
