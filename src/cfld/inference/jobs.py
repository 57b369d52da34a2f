"""Jobs: a source image, a target pose and a name, for every image to generate."""

from __future__ import annotations

import functools
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cfld.data.base import PoseDataset
from cfld.data.transforms import read_image, to_pil
from cfld.poses.keypoints import Keypoints
from cfld.readers.images import is_image_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One image to generate.

    Attributes:
        source: identifies the source image; neighbouring jobs with one source share its encoding.
        read_source: reads the source image.
        pose: the target pose.
        name: of the image file, without extension.
        as_in_training: whether source and pose are encoded like those of a data set, see `CFLDPipeline.encode_pose`.
    """

    source: str
    read_source: Callable[[], Image.Image]
    pose: Keypoints
    name: str
    as_in_training: bool = False

    def noise_seed(self, seed: int) -> int:
        """The random seed of this image's noise, so that it depends neither on the batch nor on other jobs."""
        return zlib.crc32(f"{seed} {self.name}".encode())


def file_job(file: Path, name: str, pose: Keypoints) -> Job:
    """The job of an image file and a target pose called `name`."""
    return Job(str(file), functools.partial(read_image, file), pose, f"{file.stem}_to_{name}")


def image_jobs(source: Path, poses: Mapping[str, Keypoints]) -> list[Job]:
    """One job for each image in a file or folder and each pose.

    Args:
        poses: by name.

    Raises:
        ValueError: for a file that is not an image, or a folder without images.
    """
    return [file_job(file, name, pose) for file in image_files(source) for name, pose in poses.items()]


def dataset_jobs(dataset: PoseDataset) -> list[Job]:
    """One job for each pair of a data set. A pose without any joint, which data sets may contain, has a black map."""

    def read(name: str) -> Image.Image:
        return to_pil(dataset.image(name))

    jobs = [
        Job(source, functools.partial(read, source), dataset.keypoints(target), pair_name(source, target), True)
        for source, target in dict.fromkeys(dataset.pairs)
    ]
    if empty := [job.name for job in jobs if not job.pose.inside.any()]:
        logger.warning("%d target poses have no joint in their frame, for example %s", len(empty), empty[0])
    return jobs


def pair_name(source: str, target: str) -> str:
    """The name of a pair's image: both file names, without extensions."""
    return f"{Path(source).stem}_to_{Path(target).stem}"


def image_files(source: Path) -> list[Path]:
    """The image in a file, or those in a folder; raises ValueError if there is none."""
    if not source.is_dir():
        read_image(source)  # reports an unreadable file before a model is loaded
        return [source]
    files = sorted(file for file in source.iterdir() if is_image_file(file) and not file.name.startswith("."))
    if not files:
        raise ValueError(f"{source}: no image in this folder")
    return files
