"""Appearance editing of images (section 4.6): style transfer under a mask, style interpolation."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from cfld.config.schema import SamplingConfig
from cfld.contact_sheet import contact_sheet
from cfld.diffusion.interpolation import interpolate
from cfld.inference.generation import sampling_arguments
from cfld.inference.jobs import Job
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
    """Generates the style of the job's source in the masked region, see `CFLDPipeline.transfer_style`.

    Args:
        job: the source of the style, and the pose of the reference; the noise is that of `generate`.
    """
    arguments = sampling_arguments(sampling, [job.noise_seed(sampling.seed)], on_step_end)
    result = pipe.transfer_style(reference, mask, job.read_source(), job.pose, feather, paste, **arguments)
    image: Image.Image = result.images[0]
    return image


def interpolate_styles(
    pipe: CFLDPipeline,
    jobs: Sequence[Job],
    rows: Sequence[Sequence[float]],
    sampling: SamplingConfig,
    on_step_end: OnStepEnd | None = None,
) -> list[Image.Image]:
    """Generates one image per row of weights, all with the pose and the noise of the first job.

    Args:
        jobs: one per source.
        rows: each one weight per source, with sum 1.
    """
    sources, pose = [pipe.encode_source(job.read_source()) for job in jobs], pipe.encode_pose(jobs[0].pose)
    images = []
    for weights in rows:
        arguments = sampling_arguments(sampling, [jobs[0].noise_seed(sampling.seed)], on_step_end)
        images.append(pipe(interpolate(sources, weights), pose, **arguments).images[0])
    return images


def strip(images: Sequence[Image.Image], rows: Sequence[Sequence[float]]) -> Image.Image:
    """The images side by side, titled with their weights; a single image unchanged."""
    if len(images) == 1:
        return images[0]
    titles = [" ".join(f"{weight:.2g}" for weight in weights) for weights in rows]
    return contact_sheet([images], titles, (images[0].height, images[0].width))
