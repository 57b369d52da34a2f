"""Appearance editing (section 4.6) of image files: what `cfld edit` and the app draw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import contact_sheet
from cfld.data.transforms import read_image
from cfld.diffusion.interpolation import interpolate
from cfld.inference.generation import Job, call_options
from cfld.pipeline import CFLDPipeline, OnStepEnd


def transfer_style(
    pipe: CFLDPipeline,
    reference: Image.Image,
    mask: Image.Image,
    job: Job,
    sampling: SamplingConfig,
    feather: float = 0.0,
    paste: bool = False,
    on_step_end: OnStepEnd | None = None,
) -> Image.Image:
    """The style of the job's source in the masked part of the reference, see `CFLDPipeline.transfer_style`.

    Args:
        job: source image, and the reference's own pose; the noise is that of `cfld generate` for it.
    """
    options = {**call_options([job], sampling), "callback_on_step_end": on_step_end}
    image: Image.Image = pipe.transfer_style(
        reference, mask, job.read_source(), job.pose, feather, paste, **options
    ).images[0]
    return image


def interpolate_styles(
    pipe: CFLDPipeline,
    jobs: Sequence[Job],
    rows: Sequence[Sequence[float]],
    sampling: SamplingConfig,
    on_step_end: OnStepEnd | None = None,
) -> list[Image.Image]:
    """One image a row of weights, all in the first job's pose and from its noise.

    Args:
        jobs: one a source.
        rows: one weight a source, 1 in sum.
    """
    sources, pose = [pipe.encode_source(job.read_source()) for job in jobs], pipe.encode_pose(jobs[0].pose)
    drawn = []
    for weights in rows:
        options = {**call_options(jobs[:1], sampling), "callback_on_step_end": on_step_end}
        drawn.append(pipe(interpolate(sources, weights), pose, **options).images[0])
    return drawn


def strip(images: Sequence[Image.Image], rows: Sequence[Sequence[float]]) -> Image.Image:
    """The images side by side, each under its weights; a single one as it is."""
    if len(images) == 1:
        return images[0]
    titles = [" ".join(f"{weight:.2g}" for weight in weights) for weights in rows]
    return contact_sheet([images], titles, (images[0].height, images[0].width))


def read_mask(path: Path) -> Image.Image:
    """A mask as it is stored: `read_image` would lay what is transparent on white."""
    read_image(path)  # says what is wrong with a file that cannot be read
    with Image.open(path) as mask:
        return mask.copy()
