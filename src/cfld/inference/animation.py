"""Animation: one source in a sequence of poses, all frames from the same noise."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image
from tqdm import tqdm

from cfld.config.schema import SamplingConfig
from cfld.inference.generation import sampling_arguments
from cfld.inference.pose_reading import PoseReader
from cfld.inputs import fitted_poses
from cfld.pipeline import CFLDPipeline
from cfld.poses.formats import SUFFIXES, load_images
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import choose_person
from cfld.poses.registry import POSE_SEQUENCES
from cfld.ranges import Batch, check_number
from cfld.readers.images import is_image_file

logger = logging.getLogger(__name__)

WALK_FRAMES: Final = 16


def read_sequence(text: str, frames: int | None, frame: tuple[int, int] | None, reader: PoseReader) -> list[Keypoints]:
    """Reads the poses of an animation.

    Args:
        text: `walk`, a folder of keypoint files and images, or a file with a list of poses.
        frames: number of poses: of `walk`, or evenly spaced from those found; None = 16 of `walk`, else all.
        frame: (height, width) of the image that keypoints refer to, for files that do not store it; None = 256 x 176.

    Raises:
        ValueError: naming a file that is not a pose, or when there are fewer than two poses or than `frames`.
    """
    if text in POSE_SEQUENCES:
        return POSE_SEQUENCES[text](WALK_FRAMES if frames is None else frames)
    path = Path(text)
    if not path.exists():
        raise ValueError(f"{text} is neither a file or folder of poses nor {' or '.join(POSE_SEQUENCES)}")
    poses = _read_folder(path, frame, reader) if path.is_dir() else _read_list(path, frame)
    count = len(poses) if frames is None else frames
    if not 2 <= count <= len(poses):
        raise ValueError(f"{text}: {count} frames requested of {len(poses)} poses; an animation has 2 to all of them")
    for number, pose in enumerate(poses, start=1):
        if not pose.visible.any():
            raise ValueError(f"{text}: in pose {number}, all 18 joints are missing")
    return [poses[i * len(poses) // count] for i in range(count)]


def generate_frames(
    pipe: CFLDPipeline, source: Image.Image, poses: Sequence[Keypoints], sampling: SamplingConfig, batch: int
) -> list[Image.Image]:
    """Generates the source in every pose; a frame does not depend on the batch size."""
    check_number(Batch, "batch", batch)
    pipe.set_progress_bar_config(disable=True)
    poses = fitted_poses(poses, pipe.conditioner.pose_size, tuple(pipe.config.output_size))
    encoded, images = pipe.encode_source(source), []
    with tqdm(total=len(poses), unit="frame", disable=None) as bar:
        for start in range(0, len(poses), batch):
            group = list(poses[start : start + batch])
            images += pipe(encoded, group, **sampling_arguments(sampling, [sampling.seed] * len(group))).images
            bar.update(len(group))
    return images


def _read_folder(folder: Path, frame: tuple[int, int] | None, reader: PoseReader) -> list[Keypoints]:
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES or is_image_file(file)]
    return [reader.file(file, frame) for file in sorted(files, key=_natural_order)]


def _natural_order(file: Path) -> list[tuple[int, int, str]]:
    """A sort key that compares numbers in names by value."""
    parts = filter(None, re.split(r"(\d+)", file.name))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _read_list(path: Path, frame: tuple[int, int] | None) -> list[Keypoints]:
    """One pose per item; of programs that detect several people in an image, the largest in each."""
    images = load_images(path, frame)
    if gaps := _gaps(list(images)):
        logger.warning("%s: nobody in the images between %s; the animation leaves them out", path, "; ".join(gaps))
    return [choose_person(people, name=name).keypoints for name, people in images.items()]


def _gaps(names: Sequence[str]) -> list[str]:
    """Where numbers of images are left out, as programs do that write the people found and not the images."""
    images = [name.rpartition(", ")[2] for name in names]
    numbers = [int((re.findall(r"\d+", image) or ["0"])[-1]) for image in images]
    steps = range(1, len(names))
    return [f"{images[i - 1]} and {images[i]}" for i in steps if numbers[i] > numbers[i - 1] + 1]
