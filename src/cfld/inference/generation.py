"""Generation of many images into a folder, one PNG per job; after an interruption it continues where it stopped.

An image depends on its job, the model and the settings alone: not on its batch, the other jobs, or interruptions.
`digests.jsonl` in the folder records for each image which source, pose, model and settings it was made from; an image
without a record, one that is not whole, and one that was made from something else are generated again.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from tqdm import tqdm

from cfld.config.schema import SamplingConfig
from cfld.digests import Record, digest, in_threads, json_digest, outdated, tensor_digest
from cfld.files import replacing, save_json
from cfld.inference.jobs import Job
from cfld.pipeline import CFLDPipeline, OnStepEnd
from cfld.ranges import Batch, check_number
from cfld.readers.text import load_object
from cfld.types import Conditioning

logger = logging.getLogger(__name__)

CACHE_SIZE: Final = 16
"""Number of sources, and of poses, whose encodings are kept: about 30 and 10 MB each at the paper's size."""


def sampling_arguments(
    sampling: SamplingConfig, seeds: Iterable[int], on_step_end: OnStepEnd | None = None
) -> dict[str, Any]:
    """Keyword arguments of the pipeline's call.

    Args:
        seeds: random seed of each image's noise.
        on_step_end: called after each step, see `callback_on_step_end`.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return {**sampling.arguments(), "generator": generators, "callback_on_step_end": on_step_end}


def generate(
    pipe: CFLDPipeline,
    jobs: Sequence[Job],
    sampling: SamplingConfig,
    out: Path,
    settings: Mapping[str, Any],
    batch: int = 8,
) -> list[Path]:
    """Generates the images that are not yet in a folder, or no longer those of their job, the model and the settings.

    Args:
        out: the folder.
        settings: everything that determines the images; saved as `config.json` with the first images.
        batch: batch size.

    Returns:
        the files of all jobs, in order.

    Raises:
        ValueError: if `out` contains images of other settings, or two jobs have one name.
    """
    check_number(Batch, "batch", batch)
    if repeated := [name for name, count in Counter(job.name for job in jobs).items() if count > 1]:
        raise ValueError(f"{len(repeated)} images would be written more than once, for example {repeated[0]}.png")
    check_folder(out, settings)
    files = {job.name: out / f"{job.name}.png" for job in jobs}
    record, origins = Record(out), _Origins(pipe, sampling)
    pending = _pending(jobs, files, record, origins)
    encode = _cached_encoder(pipe, pending, origins)
    pipe.set_progress_bar_config(disable=len(pending) > 1)
    with tqdm(total=len(jobs), initial=len(jobs) - len(pending), unit="image", disable=len(pending) <= 1) as bar:
        for start in range(0, len(pending), batch):
            group = pending[start : start + batch]
            seeds = [job.noise_seed(sampling.seed) for job in group]
            images = pipe(*encode(group), **sampling_arguments(sampling, seeds)).images
            out.mkdir(parents=True, exist_ok=True)  # only now, so that invalid input leaves no folder
            if not (out / "config.json").exists():
                save_json(dict(settings), out / "config.json")
            for job, image in zip(group, images, strict=True):
                with replacing(files[job.name]) as temporary:
                    image.save(temporary, format="PNG")
                record.add(files[job.name], origins(job))
            bar.update(len(group))
    return list(files.values())


def check_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Checks that a folder is new, empty, or contains images of the same settings.

    Raises:
        ValueError: naming the settings that differ.
    """
    file = out / "config.json"
    if file.exists():
        saved = load_object(file)
        if different := sorted(k for k in {*saved, *settings} if saved.get(k) != settings.get(k)):
            raise ValueError(f"{out} contains images of other settings ({', '.join(different)}); choose another folder")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and was not written by cfld (it has no config.json); choose another folder")


def model_digest(pipe: CFLDPipeline) -> str:
    """The digest of a pipeline's weights and configurations; takes a second or two per gigabyte and core."""
    parts = {name: getattr(pipe, name) for name in ("conditioner", "unet", "vae", "scheduler")}
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    weights = {f"{name}.{key}": w for name, module in modules.items() for key, w in module.state_dict().items()}
    settings = {name: [type(part).__name__, _public(part.config)] for name, part in parts.items()}
    return digest(tensor_digest(weights), json_digest([settings, pipe.config.output_size]))


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """A component's configuration without what diffusers notes in it, such as its own version."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _pending(jobs: Sequence[Job], files: Mapping[str, Path], record: Record, origins: _Origins) -> list[Job]:
    """The jobs whose images are absent or outdated; says how many are outdated and why."""
    found = [job for job in jobs if files[job.name].exists()]
    in_threads(origins, list({job.source: job for job in found}.values()), "checking sources")
    problems = in_threads(lambda job: record.problem(files[job.name], origins(job)), found, "checking images")
    if again := outdated(problems):
        logger.warning("images generated again: %s", again)
    done = {job.name for job, problem in zip(found, problems, strict=True) if problem is None}
    return [job for job in jobs if job.name not in done]


class _Origins:
    """What each job's image is made from: name -> digest."""

    def __init__(self, pipe: CFLDPipeline, sampling: SamplingConfig) -> None:
        self._shared = {"model": model_digest(pipe), "settings": json_digest(asdict(sampling))}
        self._sources: dict[str, str] = {}

    def __call__(self, job: Job) -> dict[str, str]:
        if job.source not in self._sources:
            self.read(job)
        pose = digest(job.pose.yx.tobytes(), str(job.pose.frame), str(job.as_in_training))
        return {"source": self._sources[job.source], "pose": pose, **self._shared}

    def read(self, job: Job) -> Image.Image:
        """Reads the job's source, whose digest counts from now on."""
        image = job.read_source()
        self._sources[job.source] = digest(image.mode, str(image.size), image.tobytes())
        return image


def _cached_encoder(
    pipe: CFLDPipeline, jobs: Sequence[Job], origins: _Origins
) -> Callable[[Sequence[Job]], tuple[Conditioning, Conditioning]]:
    """Encodes batches of these jobs, sources and poses, each once however many jobs share it."""
    sources = {job.source: job for job in jobs}
    poses = {_key(job): job for job in jobs}

    @functools.lru_cache(CACHE_SIZE)
    def encode_source(source: str) -> Conditioning:
        job = sources[source]
        return pipe.encode_source(origins.read(job), job.as_in_training).with_pose()

    @functools.lru_cache(CACHE_SIZE)
    def encode_pose(key: tuple[bytes, tuple[int, int]]) -> Conditioning:
        return pipe.encode_pose(poses[key].pose, poses[key].as_in_training)

    def encode(batch: Sequence[Job]) -> tuple[Conditioning, Conditioning]:
        encoded = Conditioning.cat([encode_source(job.source) for job in batch])
        return encoded, Conditioning.cat([encode_pose(_key(job)) for job in batch])

    return encode


def _key(job: Job) -> tuple[bytes, tuple[int, int]]:
    return job.pose.yx.tobytes(), job.pose.frame
