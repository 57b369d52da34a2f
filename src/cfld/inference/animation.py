"""One source in a sequence of poses: the source is encoded once, and all frames start from the same noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from PIL import Image
from tqdm import tqdm

from cfld.config.schema import SamplingConfig
from cfld.files import load_json
from cfld.inference.pose_reading import PoseReader, is_image_file
from cfld.pipeline import CFLDPipeline
from cfld.poses.formats import is_coco_annotation, parse_people
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import choose_person
from cfld.poses.registry import POSE_SEQUENCES

WALK_FRAMES: Final = 16


def read_sequence(text: str, frames: int | None, frame: tuple[int, int], reader: PoseReader) -> list[Keypoints]:
    """The poses of an animation.

    Args:
        text: `walk`, a folder of keypoint files and images, or a JSON file with a list of poses.
        frames: of `walk`, how many; else so many, evenly spaced, of those that are there; none = all.
        frame: (height, width) that files refer to which do not tell.

    Raises:
        ValueError: naming the file that is no pose, or where fewer poses are than asked for, or than two.
    """
    if text in POSE_SEQUENCES:
        return POSE_SEQUENCES[text](WALK_FRAMES if frames is None else frames)
    path = Path(text)
    if not path.exists():
        raise ValueError(f"{text}: no such folder or file of poses, nor {' or '.join(POSE_SEQUENCES)}")
    poses = _folder(path, frame, reader) if path.is_dir() else _list(path, frame)
    wanted = len(poses) if frames is None else frames
    if not 2 <= wanted <= len(poses):
        raise ValueError(f"{text}: an animation of {wanted} frames of {len(poses)} poses; it takes 2 to all of them")
    for number, pose in enumerate(poses, start=1):
        if not pose.visible.any():
            raise ValueError(f"{text}: in pose {number}, all 18 joints are missing")
    return [poses[i * len(poses) // wanted] for i in range(wanted)]


def generate_frames(
    pipe: CFLDPipeline, source: Image.Image, poses: Sequence[Keypoints], sampling: SamplingConfig, batch: int
) -> list[Image.Image]:
    """The source in every pose, `batch` side by side; a frame does not depend on how large the batches are."""
    pipe.set_progress_bar_config(disable=True)
    encoded, images = pipe.encode_source(source), []
    with tqdm(total=len(poses), unit="frame", disable=None) as bar:
        for start in range(0, len(poses), batch):
            group = list(poses[start : start + batch])
            images += pipe(
                encoded,
                group,
                **sampling.arguments(),
                generator=[torch.Generator().manual_seed(sampling.seed) for _ in group],
            ).images
            bar.update(len(group))
    return images


def _folder(folder: Path, frame: tuple[int, int], reader: PoseReader) -> list[Keypoints]:
    """In the order of the names, numbers by their size."""
    files = [file for file in folder.iterdir() if file.suffix.lower() == ".json" or is_image_file(file)]
    files.sort(key=lambda file: [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _parts(file)])
    return [reader.file(file, frame) for file in files]


def _parts(file: Path) -> list[str]:
    return [part for part in re.split(r"(\d+)", file.name) if part]


def _list(path: Path, frame: tuple[int, int]) -> list[Keypoints]:
    """One pose an item; of ControlNet's images and of COCO's, the largest person of each."""
    content = load_json(path)
    if isinstance(content, list) and not any(map(is_coco_annotation, content)):
        names = [f"{path}, pose {number}" for number in range(1, len(content) + 1)]
        images = {name: parse_people(one, frame, name) for name, one in zip(names, content, strict=True)}
    else:
        images = {}
        for person in parse_people(content, frame, str(path)):
            images.setdefault(f"{path}, {person.image}", []).append(person)
    return [choose_person(people, name=name).keypoints for name, people in images.items()]
