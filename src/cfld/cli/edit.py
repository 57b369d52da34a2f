"""`cfld edit`: appearance editing, section 4.6 of the paper.

cfld edit transfer --reference me.png --mask shirt.png --source style.png --target-pose pose.json --out edited.png
cfld edit transfer --reference me.png --mask m.png --source style.png --target-pose 3 --feather 4 --paste --out e.png
cfld edit interpolate --source a.png b.png --frames 9 --target-pose pose.json --out strip.png
cfld edit interpolate --source a.png b.png c.png --frames 24 --target-pose 7 --out styles.gif
cfld edit interpolate --source a.png b.png --weights 0.3 0.7 --target-pose 7 --out mixed.png
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from tyro.conf import OmitArgPrefixes, UseAppendAction, subcommand

from cfld.cli.generate import open_pipeline
from cfld.cli.output import check_output, is_animation, save_pictures
from cfld.config.schema import SamplingConfig

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from cfld.evaluation.generate import Job
    from cfld.pipeline import CFLDPipeline

FRAMES: Final = 9


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """What both edits are told."""

    target_pose: str
    """A keypoint JSON file, a row name of --annotations, or a number: the seed of a mannequin pose."""
    annotations: Path | None = None
    """An annotation CSV (name:keypoints_y:keypoints_x) to look the target pose up in."""
    frame: tuple[int, int] = (256, 176)
    """Height and width of the pictures that the rows of --annotations refer to; Market-1501: 128 64."""
    model: str = "mannequin"
    """The bundled model, a model folder, or a hub id."""
    sampling: OmitArgPrefixes[SamplingConfig] = field(default_factory=SamplingConfig)
    """How pictures are sampled. The noise is that of `cfld generate` for the first source and this pose."""
    device: str | None = None
    """cpu, cuda, mps; by default what is there."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the weights."""

    def job(self, source: Path) -> Job:
        """What `cfld generate` would be asked to draw: the source in the target pose."""
        from cfld.data.transforms import read_image
        from cfld.evaluation.generate import Job, target_poses

        picture = read_image(source)
        ((name, pose),) = target_poses([self.target_pose], self.annotations, self.frame).items()
        return Job(str(source), lambda: picture, pose, f"{source.stem}_to_{name}")

    def open(self) -> CFLDPipeline:
        return open_pipeline(self.model, self.sampling.scheduler, self.device, self.dtype)

    def call_options(self, job: Job) -> dict[str, Any]:
        """Arguments of the pipeline's call, among them a fresh generator of the job's own noise."""
        import torch

        from cfld.evaluation.generate import noise_seed

        generators: list[torch.Generator] = [torch.Generator().manual_seed(noise_seed(job, self.sampling))]
        return {
            "num_inference_steps": self.sampling.steps,
            "pose_guidance_scale": self.sampling.pose_guidance_scale,
            "appearance_guidance_scale": self.sampling.appearance_guidance_scale,
            "generator": generators,
        }

    def settings(self) -> Mapping[str, Any]:
        """What decides the picture."""
        from cfld import __version__
        from cfld.config.io import to_dict

        given = {**to_dict(self), **to_dict(self.sampling), "version": __version__}
        return {name: value for name, value in given.items() if name not in ("out", "device", "sampling")}


@dataclass(frozen=True, kw_only=True)
class Transfer(EditOptions):
    """Style transfer: draw the clothes of one picture into the masked part of another (figure 6a)."""

    reference: Path
    """The picture to edit."""
    mask: Path
    """White where to generate, black where the reference stays; as large as the reference."""
    source: Path
    """The picture whose style the masked part gets."""
    out: Path
    """The PNG or JPEG to write; the settings are kept beside it, in a file of that name plus .json."""
    feather: float = 0.0
    """Width in pixels of the transition along the inside of the mask's edge; 0 is a hard edge."""
    paste: bool = False
    """Make the result as large as the reference and keep its unmasked pixels to the bit, not through the VAE."""

    def run(self) -> None:
        from cfld.data.transforms import read_image
        from cfld.diffusion.editing import edge_weights
        from cfld.inputs import check_sampling

        check_output(self.out, (self.reference, self.mask, self.source))
        check_sampling(self.sampling.steps, self.sampling.pose_guidance_scale, self.sampling.appearance_guidance_scale)
        reference, mask, job = read_image(self.reference), read_mask(self.mask), self.job(self.source)
        edge_weights(mask, (reference.height, reference.width), self.feather)  # bad ones are told before a model loads
        pipe = self.open()
        edited = pipe.transfer_style(
            reference, mask, job.read_source(), job.pose, self.feather, self.paste, **self.call_options(job)
        )
        save_pictures(edited.images, self.out, self.settings())
        print(self.out)


@dataclass(frozen=True, kw_only=True)
class Interpolate(EditOptions):
    """Style interpolation: one person's clothes turn into another's, in one pose (figure 6b)."""

    source: tuple[Path, ...]
    """Pictures of people, at least one."""
    out: Path
    """The file to write: a picture or a strip of them as .png or .jpg, an animation as .gif, .webp or .apng. The
    settings are kept beside it, in a file of that name plus .json."""
    weights: UseAppendAction[tuple[tuple[float, ...], ...]] = ()
    """One weight a source, 1 in sum; given several times, several pictures."""
    frames: int | None = None
    """In place of --weights: so many pictures on an even way through all sources; 9 by default."""

    def run(self) -> None:
        from cfld.diffusion.editing import check_weights, interpolate
        from cfld.inputs import check_sampling

        check_output(self.out, self.source, animated=True)
        check_sampling(self.sampling.steps, self.sampling.pose_guidance_scale, self.sampling.appearance_guidance_scale)
        rows = self._rows()
        for weights in rows:
            check_weights(len(self.source), weights)
        jobs = [self.job(source) for source in self.source]
        pipe = self.open()
        sources = [pipe.encode_source(job.read_source()) for job in jobs]
        pose = pipe.encode_pose(jobs[0].pose)
        pictures = [
            pipe(interpolate(sources, weights), pose, **self.call_options(jobs[0])).images[0] for weights in rows
        ]
        save_pictures(self._laid_out(pictures, rows), self.out, self.settings())
        print(self.out)

    def _rows(self) -> list[tuple[float, ...]]:
        from cfld.diffusion.editing import even_path

        if self.weights and self.frames is not None:
            raise ValueError("give --weights or --frames, not both")
        return list(self.weights) or even_path(len(self.source), FRAMES if self.frames is None else self.frames)

    def _laid_out(self, pictures: list[Image.Image], rows: list[tuple[float, ...]]) -> list[Image.Image]:
        """The frames of an animation, or one picture: a strip, where there are several."""
        from cfld.contact_sheet import contact_sheet

        if is_animation(self.out) or len(pictures) == 1:
            return pictures
        titles = [" ".join(f"{weight:.2g}" for weight in weights) for weights in rows]
        return [contact_sheet([pictures], titles, (pictures[0].height, pictures[0].width))]


Edit = Annotated[
    Annotated[Transfer, subcommand("transfer")] | Annotated[Interpolate, subcommand("interpolate")],
    subcommand("edit", description="Edit appearance: style transfer under a mask, style interpolation."),
]


def read_mask(path: Path) -> Image.Image:
    """A mask as it is stored: `read_image` would lay what is transparent on white."""
    from PIL import Image

    from cfld.data.transforms import read_image

    read_image(path)  # says what is wrong with a file that cannot be read
    with Image.open(path) as mask:
        return mask.copy()
