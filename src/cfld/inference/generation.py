"""Many images into a folder, one PNG a pair; interrupted, the same call goes on where it stopped.

An image depends on its pair, the model and the settings alone: not on its batch, its place in the list, or on how
often the run was interrupted.
"""

from __future__ import annotations

import functools
import logging
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import torch
from PIL import Image
from tqdm import tqdm

from cfld.config.schema import SamplingConfig
from cfld.data.base import PoseDataset
from cfld.data.lists import read_annotations
from cfld.data.transforms import read_image, to_pil
from cfld.files import load_object, replacing, save_json
from cfld.inference.pose_reading import PoseReader
from cfld.inputs import check_sampling
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.poses.registry import SEEDED_POSES
from cfld.poses.render import pose_map
from cfld.types import Conditioning, SourceConditioning

logger = logging.getLogger(__name__)

KEPT: Final = 16
"""Sources, and poses, whose encodings are kept for later images; some 30 and 10 MB each at the paper's size."""

T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One image to draw.

    Attributes:
        source: the source's name; jobs of one source that lie close together encode it once.
        read_source: reads the source image.
        pose: the target pose.
        name: of the PNG, without its ending.
    """

    source: str
    read_source: Callable[[], Image.Image]
    pose: Keypoints
    name: str


def dataset_jobs(dataset: PoseDataset) -> list[Job]:
    """One job a pair of the data set. Poses without a single joint, which exist, are drawn from an empty pose map."""
    jobs = [
        Job(source, _reader(dataset, source), dataset.keypoints(target), pair_name(source, target))
        for source, target in dict.fromkeys(dataset.pairs)
    ]
    if empty := [job.name for job in jobs if not job.pose.visible.any()]:
        logger.warning("%d target poses have no joint at all, for example %s", len(empty), empty[0])
    return jobs


def pair_name(source: str, target: str) -> str:
    """What the image of a pair is called: both names without their endings."""
    return f"{Path(source).stem}_to_{Path(target).stem}"


def generate(
    pipe: CFLDPipeline,
    jobs: Sequence[Job],
    sampling: SamplingConfig,
    out: Path,
    settings: Mapping[str, Any],
    batch: int = 8,
) -> list[Path]:
    """Draws what is not there yet.

    Args:
        out: the folder; `settings` are kept in it as `config.json` from the first image on.
        settings: all that decides the images.
        batch: images drawn side by side.

    Returns:
        the files of all jobs, in their order.

    Raises:
        ValueError: if `out` holds images of other settings, or two jobs would write one file.
    """
    check_sampling(**sampling.arguments())
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    if twice := [name for name, count in Counter(job.name for job in jobs).items() if count > 1]:
        raise ValueError(f"{len(twice)} images would be written more than once, for example {twice[0]}.png")
    check_folder(out, settings)
    files = [out / f"{job.name}.png" for job in jobs]
    left = [job for job, file in zip(jobs, files, strict=True) if not file.exists()]
    pipe.set_progress_bar_config(disable=len(left) > 1)
    encoder = _Encoder(pipe)
    with tqdm(total=len(jobs), initial=len(jobs) - len(left), unit="image", disable=len(left) <= 1) as bar:
        for start in range(0, len(left), batch):
            group = left[start : start + batch]
            images = _draw(pipe, encoder, group, sampling)
            _claim_folder(out, settings)
            for job, image in zip(group, images, strict=True):
                with replacing(out / f"{job.name}.png") as temporary:
                    image.save(temporary, format="PNG")
            bar.update(len(group))
    return files


def check_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Checks that `out` is new, or empty, or holds images of the same settings; writes nothing.

    Raises:
        ValueError: naming the settings that differ.
    """
    file = out / "config.json"
    if file.exists():
        there = load_object(file)
        if different := sorted(k for k in {*there, *settings} if there.get(k) != settings.get(k)):
            raise ValueError(f"{out} holds images of other settings ({', '.join(different)}); name another folder")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there and not ours (no config.json in it); name another folder")


def _claim_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Writes `config.json` where there is none: once the first images are drawn, so that bad input leaves nothing."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "config.json").exists():
        save_json(dict(settings), out / "config.json")


class _Latest(Generic[T]):
    """The latest few results by key."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


class _Encoder:
    """Encodes a source once and a pose once, however many images they take part in."""

    def __init__(self, pipe: CFLDPipeline) -> None:
        self._pipe = pipe
        self._sources: _Latest[SourceConditioning] = _Latest()
        self._poses: _Latest[Conditioning] = _Latest()

    def source(self, job: Job) -> Conditioning:
        return self._sources.get(job.source, lambda: self._pipe.encode_source(job.read_source())).with_pose()

    def pose(self, job: Job) -> Conditioning:
        return self._poses.get((job.pose.yx.tobytes(), job.pose.frame), lambda: self._encode_pose(job.pose))

    def _encode_pose(self, pose: Keypoints) -> Conditioning:
        """From a pose map, for the data sets' poses without any joint are legal."""
        return self._pipe.encode_pose(pose_map(pose, size=self._pipe.conditioner.pose_size))


def _draw(pipe: CFLDPipeline, encoder: _Encoder, jobs: Sequence[Job], sampling: SamplingConfig) -> list[Image.Image]:
    sources = Conditioning.cat([encoder.source(job) for job in jobs])
    poses = Conditioning.cat([encoder.pose(job) for job in jobs])
    images: list[Image.Image] = pipe(sources, poses, **call_options(jobs, sampling)).images
    return images


def call_options(jobs: Sequence[Job], sampling: SamplingConfig) -> dict[str, Any]:
    """Arguments of the pipeline's call for these jobs, among them fresh generators of each job's own noise."""
    generators = [torch.Generator().manual_seed(noise_seed(job, sampling)) for job in jobs]
    return {**sampling.arguments(), "generator": generators}


def noise_seed(job: Job, sampling: SamplingConfig) -> int:
    return zlib.crc32(f"{sampling.seed} {job.name}".encode())


def _reader(dataset: PoseDataset, name: str) -> Callable[[], Image.Image]:
    return lambda: to_pil(dataset.image(name))


def image_jobs(source: Path, poses: dict[str, Keypoints]) -> list[Job]:
    """Every image of a file or folder in every pose.

    Raises:
        ValueError: naming a source that is no image, or a folder without any.
    """
    return [file_job(file, name, pose) for file in _images(source) for name, pose in poses.items()]


def file_job(file: Path, name: str, pose: Keypoints) -> Job:
    """The job of an image file and a target pose called `name`."""
    return Job(str(file), functools.partial(read_image, file), pose, f"{file.stem}_to_{name}")


def target_poses(
    texts: Sequence[str],
    annotations: Path | None = None,
    frame: tuple[int, int] = DEEPFASHION_FRAME,
    reader: PoseReader | None = None,
) -> dict[str, Keypoints]:
    """Poses by the names that their images get.

    Args:
        texts: each a keypoint file, an image of a person, a row name of `annotations`, or a number, the seed of a
            mannequin pose.
        frame: (height, width) that the rows of `annotations` refer to, and files that do not tell.
        reader: of files and images; by default with the bundled network, which knows mannequins.

    Raises:
        ValueError: naming what is none of these, or has no joint at all.
    """
    rows = {} if annotations is None else read_annotations(annotations, frame)
    reader = reader or PoseReader()
    poses = {}
    for text in texts:
        name, pose = _target_pose(text, rows, reader, frame)
        if not pose.visible.any():
            raise ValueError(f"{text}: all 18 joints are missing; nothing says where the person stands")
        if name in poses:
            raise ValueError(f"two target poses are called {name!r}; their images would have one name")
        poses[name] = pose
    return poses


def _target_pose(
    text: str, rows: dict[str, Keypoints], reader: PoseReader, frame: tuple[int, int]
) -> tuple[str, Keypoints]:
    if text in rows:
        return Path(text).stem, rows[text]
    if text.isdecimal():
        return f"mannequin{text}", SEEDED_POSES["mannequin"](int(text))
    if text.endswith(".json") or Path(text).exists():
        return Path(text).stem, reader.file(Path(text), frame)
    where = "no --annotations given to look it up in" if not rows else "no row of --annotations is called so"
    raise ValueError(f"target pose {text!r}: no such file, no number, and {where}")


def _images(source: Path) -> list[Path]:
    if not source.is_dir():
        read_image(source)  # what cannot be read is told before a model is loaded
        return [source]
    endings = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(
        file for file in source.iterdir() if file.suffix.lower() in endings and not file.name.startswith(".")
    )
    if not files:
        raise ValueError(f"{source}: no image in this folder")
    return files
