"""Generation of many images into a folder, one PNG per job; after an interruption it continues where it stopped.

An image depends on its job, the model and the settings alone: not on its batch, the other jobs, or interruptions.
`digests.jsonl` in the folder records for each image which source, pose, model and settings it was made from; an image
that is not whole, and one that was made from something else, are generated again. An image that was edited, and one of
another program, are kept: their job fails.
"""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from PIL import Image
from tqdm import tqdm

from cfld.claims import claimed_folder, contents
from cfld.config.schema import SamplingConfig
from cfld.digests import DAMAGED, UNRECORDED, Record, digest, in_threads, json_digest, outdated, tensor_digest
from cfld.files import replacing, save_json
from cfld.inference.failures import Failures
from cfld.inference.jobs import Job
from cfld.pipeline import CFLDPipeline, OnStepEnd
from cfld.ranges import Batch, check_number
from cfld.readers.images import is_whole
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
    failures: Failures | None = None,
) -> list[Path]:
    """Generates the images that are not yet in a folder, or no longer those of their job, the model and the settings.

    Args:
        out: the folder.
        settings: everything that determines the images; saved as `config.json` with the first images.
        batch: batch size.
        failures: collects the jobs that fail; None = they are reported when the other jobs are done.

    Returns:
        the files of the jobs that did not fail, in order.

    Raises:
        ValueError: if `out` contains images of other settings or is written by another process, if two jobs have one
            name, or a source cannot be read.
    """
    failed = Failures() if failures is None else failures
    check_number(Batch, "batch", batch)
    if repeated := [name for name, count in Counter(job.name for job in jobs).items() if count > 1]:
        raise ValueError(f"{len(repeated)} images would be written more than once, for example {repeated[0]}.png")
    check_folder(out, settings)
    files = {job.name: out / f"{job.name}.png" for job in jobs}
    record, origins = Record(out), _Origins(pipe, sampling)
    pending = _pending(jobs, files, record, origins, failed)
    encode = _cached_encoder(pipe, pending, origins)
    pipe.set_progress_bar_config(disable=len(pending) > 1)
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(pending), unit="image", disable=len(pending) <= 1)
    with claimed_folder(out), bar:
        for start in range(0, len(pending), batch):
            group = []
            for job in pending[start : start + batch]:
                with failed.item(job.name):
                    group.append(Encoded(job, *encode(job)))
            bar.update(len(pending[start : start + batch]))
            if not group:
                continue
            seeds = [one.job.noise_seed(sampling.seed) for one in group]
            sources = Conditioning.cat([one.source for one in group])
            poses = Conditioning.cat([one.pose for one in group])
            images = pipe(sources, poses, **sampling_arguments(sampling, seeds)).images
            if not (out / "config.json").exists():
                save_json(dict(settings), out / "config.json")
            for one, image in zip(group, images, strict=True):
                with failed.item(one.job.name), replacing(files[one.job.name]) as temporary:
                    image.save(temporary, format="PNG")
                    record.add(files[one.job.name], origins(one.job), temporary)
    if failures is None:
        failed.check(len(jobs))
    return [file for name, file in files.items() if name not in failed.messages]


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
    elif out.exists() and (not out.is_dir() or contents(out)):
        raise ValueError(f"{out} exists and was not written by cfld (it has no config.json); choose another folder")


def model_digest(pipe: CFLDPipeline) -> str:
    """The digest of a pipeline's weights and configurations; takes a second or two per gigabyte and core."""
    parts = {name: getattr(pipe, name) for name in ("conditioner", "unet", "vae", "scheduler")}
    modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
    weights = {f"{name}.{key}": w for name, module in modules.items() for key, w in _weights(module).items()}
    settings = {name: [type(part).__name__, _public(part.config)] for name, part in parts.items()}
    return digest(tensor_digest(weights), json_digest([settings, pipe.config.output_size]))


def _weights(module: torch.nn.Module) -> Mapping[str, torch.Tensor]:
    """The `state_dict` of a module, also of one whose hooks keep its weights elsewhere (sequential offloading)."""
    weights: dict[str, torch.Tensor] = module.state_dict()
    for name, part in module.named_modules():
        hook: Any = getattr(part, "_hf_hook", None)
        maps = [getattr(one, "weights_map", None) for one in getattr(hook, "hooks", [hook])]
        for key in (*part._parameters, *part._buffers):
            full = f"{name}.{key}" if name else key
            if full in weights and weights[full].is_meta:
                weights[full] = next(filter(None, maps))[key]
    return weights


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """A component's configuration without what diffusers notes in it, such as its own version."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _pending(
    jobs: Sequence[Job], files: Mapping[str, Path], record: Record, origins: _Origins, failures: Failures
) -> list[Job]:
    """The jobs whose images are absent or outdated; says how many are outdated and why."""
    found: dict[str, Job] = {}
    absent: dict[str, Job] = {}
    for job in jobs:
        with failures.item(job.name):
            (found if files[job.name].exists() else absent)[job.name] = job

    kept: dict[str, Failures] = {name: Failures() for name in found}

    def read(job: Job) -> None:
        with Failures().item(job.source):  # it fails again, for each of its jobs
            origins(job)

    def problem(job: Job) -> str | None:
        with kept[job.name].item(job.name):
            reason = record.problem(files[job.name], origins(job))
            if reason in (DAMAGED, UNRECORDED):
                _check_own(files[job.name], record)
            return reason
        return None

    in_threads(read, list({job.source: job for job in found.values()}.values()), "checking sources")
    problems = in_threads(problem, list(found.values()), "checking images")
    for one in kept.values():  # in the order of the jobs, whatever that of the threads
        failures.messages |= one.messages
    if again := outdated(problems):
        logger.warning("images generated again: %s", again)
    done = {name for name, reason in zip(found, problems, strict=True) if reason is None}
    return [job for job in jobs if job.name in {**found, **absent} and job.name not in done]


def _check_own(file: Path, record: Record) -> None:
    """Raises ValueError for a whole image that `generate` did not write: it is the user's."""
    if not record.wrote(file) and is_whole(file):
        raise ValueError(
            f"{file}: was edited, or is not of this command, and was left as it is; move it away to generate it again"
        )


class _Origins:
    """What each job's image is made from: name -> digest."""

    def __init__(self, pipe: CFLDPipeline, sampling: SamplingConfig) -> None:
        settings = asdict(sampling) | asdict(pipe.recipe) | {"steps": sampling.steps or pipe.recipe.steps}
        self._shared = {"model": model_digest(pipe), "settings": json_digest(settings)}
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


class Encoded(NamedTuple):
    """A job with its encoded source and pose."""

    job: Job
    source: Conditioning
    pose: Conditioning


def _cached_encoder(
    pipe: CFLDPipeline, jobs: Sequence[Job], origins: _Origins
) -> Callable[[Job], tuple[Conditioning, Conditioning]]:
    """Encodes the sources and poses of these jobs, each once however many jobs share it."""
    sources = {(job.source, job.as_in_training): job for job in jobs}
    poses = {_pose_key(job): job for job in jobs}

    @functools.lru_cache(CACHE_SIZE)
    def encode_source(key: tuple[str, bool]) -> Conditioning:
        job = sources[key]
        return pipe.encode_source(origins.read(job), job.as_in_training).with_pose()

    @functools.lru_cache(CACHE_SIZE)
    def encode_pose(key: tuple[bytes, tuple[int, int], bool]) -> Conditioning:
        return pipe.encode_pose(poses[key].pose, poses[key].as_in_training)

    def encode(job: Job) -> tuple[Conditioning, Conditioning]:
        return encode_source((job.source, job.as_in_training)), encode_pose(_pose_key(job))

    return encode


def _pose_key(job: Job) -> tuple[bytes, tuple[int, int], bool]:
    return job.pose.yx.tobytes(), job.pose.frame, job.as_in_training
