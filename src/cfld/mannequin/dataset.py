"""Mannequins as a data set: rendered when read, or written to a folder.

Keypoints are exact, and the same random seed gives the same images on every machine. Training people have even numbers,
test people odd ones, and each number and random seed of a data set give a random seed of their own, so no person is in
both splits or under two seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path
from typing import Final, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from cfld import mannequin
from cfld.claims import claimed_folder, contents
from cfld.data.base import AttributeDataset, ProceduralDataset
from cfld.data.layout import SPLITS, PrepareReport, check_split
from cfld.data.lists import write_annotations, write_names, write_pairs
from cfld.data.transforms import to_pil
from cfld.digests import Record, in_threads, json_digest, outdated
from cfld.files import replacing, write_text
from cfld.mannequin.layout import LAYOUT
from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.ranges import Identities, Poses, Seed, Side, check_number
from cfld.readers.text import read_text

T = TypeVar("T")
MAX_IDENTITIES: Final = 10**7
MAX_PAIRS: Final = 10_000_000
"""In one split; their names take about a gigabyte."""
MAX_POSES: Final = 99
"""Two digits of a DeepFashion name."""


class MannequinDataset(ProceduralDataset, AttributeDataset):
    """Mannequins, rendered when they are read. Pairs: all ordered pairs of a person's images."""

    frame = DEEPFASHION_FRAME
    vocabulary = mannequin.VOCABULARY
    phrases = mannequin.PHRASES

    def __init__(
        self,
        *,
        identities: int,
        poses: int,
        seed: int = 0,
        split: str = "train",
        size: tuple[int, int] = (256, 176),
        cache_in_memory: bool = False,
    ) -> None:
        """Arguments as in `ProceduralDataset`; the aspect ratio of `size` must be that of the frame.

        Raises:
            ValueError: if a number is out of range, or the split is unknown.
        """
        _check(identities, poses, seed, size)
        self.split, self.size, self._seed, self._cached = check_split(split), size, seed, cache_in_memory
        numbers = [2 * index + SPLITS.index(split) for index in range(identities)]
        people = [{image_name(number, view): (number, view) for view in range(poses)} for number in numbers]
        self._people_and_views = {name: image for person in people for name, image in person.items()}
        self.names = tuple(self._people_and_views)
        self.pairs = tuple(pair for person in people for pair in permutations(person, 2))
        self._images: dict[str, Tensor] = {}
        self._poses: dict[str, Keypoints] = {}

    def image(self, name: str) -> Tensor:
        return self._get(self._images, name, self._render)

    def keypoints(self, name: str) -> Keypoints:
        return self._get(self._poses, name, lambda name: mannequin.keypoints(*self.person(name), frame=self.frame))

    def digest(self, name: str) -> str:
        return json_digest([mannequin.DRAWING, self.seeds(name), self.size])

    def attributes(self, name: str) -> tuple[str, ...]:
        """Attributes of the person, each a key of `vocabulary`."""
        return mannequin.describe(mannequin.sample_identity(self.seeds(name)[0]))

    def seeds(self, name: str) -> tuple[int, int]:
        """Random seeds of an image's person and pose, unique to the person, the view and the data set's `seed`.

        Raises:
            ValueError: for a name that is not in this split.
        """
        if name not in self._people_and_views:
            raise ValueError(f"no mannequin image {name!r} in the {self.split} split")
        number, view = self._people_and_views[name]
        identity_seed = self._seed * 2 * MAX_IDENTITIES + number
        return identity_seed, identity_seed * MAX_POSES + view

    def _get(self, cache: dict[str, T], name: str, make: Callable[[str], T]) -> T:
        if not self._cached:
            return make(name)
        if name not in cache:
            cache[name] = make(name)
        return cache[name]

    def _render(self, name: str) -> Tensor:
        image = mannequin.render(*self.person(name), size=self.size)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous()

    def person(self, name: str) -> tuple[mannequin.Identity, mannequin.BodyPose]:
        """What an image shows."""
        identity_seed, pose_seed = self.seeds(name)
        return mannequin.sample_identity(identity_seed), mannequin.sample_body_pose(pose_seed)


def write_mannequin(
    out: str | Path, *, identities: int, poses: int, seed: int = 0, size: tuple[int, int] = (256, 176)
) -> PrepareReport:
    """Writes both splits to a folder, or completes an interrupted run; arguments as in `WriteMannequins`.

    Args:
        out: a new or empty folder, or one begun with the same arguments.

    Raises:
        ValueError: if a number is out of range, or the folder has other content.
    """
    out = Path(out)
    if identities < 2:
        raise ValueError(f"identities must be at least 2, one each for training and test, got {identities}")
    test = max(1, round(identities / 5))
    counts = {"train": identities - test, "test": test}
    datasets = [
        MannequinDataset(identities=count, poses=poses, seed=seed, split=split, size=size)
        for split, count in counts.items()
    ]
    settings = {"identities": identities, "poses": poses, "seed": seed, "size": size, "drawing": mannequin.DRAWING}
    with claimed_folder(out):
        _claim(out, settings)
        return _write(out, datasets)


def _write(out: Path, datasets: list[MannequinDataset]) -> PrepareReport:
    """Writes the images that are missing or outdated, and the lists."""
    files = {out / dataset.split / name: (dataset, name) for dataset in datasets for name in dataset.names}
    record = Record(out)
    origins = {file: {"mannequin": dataset.digest(name)} for file, (dataset, name) in files.items()}
    problems = in_threads(lambda file: record.problem(file, origins[file]), list(files), "checking images")
    missing = [file for file, problem in zip(files, problems, strict=True) if problem]
    for file in tqdm(missing, desc="rendering", unit="image", disable=None):
        dataset, name = files[file]
        with replacing(file) as temporary:
            to_pil(dataset.image(name)).save(temporary, format="JPEG", quality=95)
        record.add(file, origins[file])
    for dataset in datasets:
        lists, pairs, annotations = (out / names[0].format(split=dataset.split) for names in LAYOUT.lists())
        write_names(lists, dataset.names)
        write_annotations(annotations, {name: dataset.keypoints(name) for name in dataset.names})
        write_pairs(pairs, dataset.pairs)
    return PrepareReport(written=len(missing), present=len(files) - len(missing), again=outdated(problems))


def image_name(number: int, view: int) -> str:
    """The flat DeepFashion name of an image of a person."""
    return f"fashionWOMENMannequinid{number:08d}{view + 1:02d}_4full.jpg"


def _check(identities: int, poses: int, seed: int, size: tuple[int, int]) -> None:
    check_number(Identities, "identities", identities)
    check_number(Poses, "poses", poses)
    check_number(Seed, "seed", seed)
    if (pairs := identities * poses * (poses - 1)) > MAX_PAIRS:
        raise ValueError(f"{identities} people in {poses} poses are {pairs:,} pairs; the limit is {MAX_PAIRS:,}")
    height, width = size
    check_number(Side, "size", height)
    if height < 16 or abs(width - height * DEEPFASHION_FRAME[1] / DEEPFASHION_FRAME[0]) > 1:
        raise ValueError(
            f"size must have the aspect ratio 256:176 of the keypoints' frame, e.g. (512, 352), got {size}"
        )


def _claim(out: Path, settings: Mapping[str, object]) -> None:
    """Writes the settings to the folder before any image, or checks that they are the same.

    `drawing` is among them: images of different versions of the drawing code are never mixed.
    """
    assert LAYOUT.marker is not None
    path, content = out / LAYOUT.marker, json.dumps(settings)
    if path.exists():
        found = read_text(path).strip()
        if found != content:
            raise ValueError(f"{out}: holds images of {found}, not of {content}; choose another folder")
    elif out.exists() and contents(out):
        raise ValueError(f"{out}: is not empty and not a mannequin data set; choose another folder")
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
    write_text(path, content + "\n")
