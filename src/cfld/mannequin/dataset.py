"""Mannequins as a data set: made on the fly, or written once in the DeepFashion layout.

No file and no licence is needed, the keypoints are exact, and the same seed gives the same images everywhere.
Training people have even numbers and test people odd ones, and a number and a seed together make a random seed that no
other numbers make: nobody is in both splits, whatever the sizes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import ClassVar, Final, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from cfld import mannequin
from cfld.data.base import SPLITS, check_split, read_pair
from cfld.data.deepfashion import LAYOUT
from cfld.data.folder import FolderDataset
from cfld.data.lists import Layout, write_annotations, write_names, write_pairs
from cfld.data.preparation import PrepareReport
from cfld.data.transforms import to_pil
from cfld.files import replacing
from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.types import PosePair

T = TypeVar("T")
CONFIGURATION_FILE: Final = "mannequin.json"
JPEG_QUALITY: Final = 95
MAX_IDENTITIES: Final = 10**7
MAX_POSES: Final = 99
"""Two digits of a DeepFashion name."""


class MannequinFolder(FolderDataset):
    """A folder that `write_mannequin` made."""

    layout: ClassVar[Layout] = LAYOUT

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / CONFIGURATION_FILE).exists()


class MannequinDataset:
    """A `PoseDataset` that draws its images when asked for them. Pairs: all ordered pairs of a person's images."""

    frame: tuple[int, int] = DEEPFASHION_FRAME
    vocabulary: Mapping[str, int] = mannequin.VOCABULARY

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
        """
        Args:
            identities: people in this split.
            poses: images of each.
            seed: another seed is other people.
            split: "train" or "test"; they share nobody.
            size: (height, width) of the images, in the shape of the frame, 256:176.
            cache_in_memory: images and poses stay in memory once drawn, and are not to be written to.

        Raises:
            ValueError: for numbers out of range, or another split.
        """
        _check(identities, poses, seed, size)
        self.split, self.size, self._seed = check_split(split), size, seed
        numbers = [2 * index + SPLITS.index(split) for index in range(identities)]
        people = [{image_name(number, view): (number, view) for view in range(poses)} for number in numbers]
        self._people_and_views = {name: image for person in people for name, image in person.items()}
        self.names: Sequence[str] = tuple(self._people_and_views)
        self.pairs: Sequence[tuple[str, str]] = tuple(pair for person in people for pair in permutations(person, 2))
        self._keep = cache_in_memory
        self._images: dict[str, Tensor] = {}
        self._poses: dict[str, Keypoints] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PosePair:
        return read_pair(self, index)

    def image(self, name: str) -> Tensor:
        """uint8 (3, H, W), RGB."""
        return self._once(self._images, name, self._render)

    def keypoints(self, name: str) -> Keypoints:
        """The pose in `frame`."""
        return self._once(self._poses, name, self._pose)

    def attributes(self, name: str) -> tuple[str, ...]:
        """What a caption would say of the image, a key of `vocabulary` each."""
        return mannequin.describe(*self._person(name))

    def seeds(self, name: str) -> tuple[int, int]:
        """The seeds of an image's person and pose. Another person, another view or another `seed` never has the same.

        Raises:
            ValueError: for a name that is not in this split.
        """
        if name not in self._people_and_views:
            raise ValueError(f"no drawn image {name!r} in the {self.split} split")
        number, view = self._people_and_views[name]
        identity_seed = self._seed * 2 * MAX_IDENTITIES + number
        return identity_seed, identity_seed * MAX_POSES + view

    def _once(self, kept: dict[str, T], name: str, make: Callable[[str], T]) -> T:
        result = kept[name] if name in kept else make(name)
        if self._keep:
            kept[name] = result
        return result

    def _render(self, name: str) -> Tensor:
        image = mannequin.render(*self._person(name), size=self.size)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous()

    def _pose(self, name: str) -> Keypoints:
        return mannequin.keypoints(*self._person(name), frame=self.frame)

    def _person(self, name: str) -> tuple[mannequin.Identity, mannequin.BodyPose]:
        identity_seed, pose_seed = self.seeds(name)
        return mannequin.sample_identity(identity_seed), mannequin.sample_body_pose(pose_seed)


@dataclass(frozen=True, kw_only=True)
class MannequinConfiguration:
    """What `mannequin.json` says: how a folder was drawn. Fields as the arguments of `write_mannequin`.

    `drawing` is that of this version, `mannequin.DRAWING`.
    """

    identities: int
    poses: int
    seed: int
    size: tuple[int, int]
    drawing: int = mannequin.DRAWING

    def datasets(self) -> tuple[MannequinDataset, MannequinDataset]:
        """Training and test split: one fifth of the people are for testing, at least one."""
        test = max(1, round(self.identities / 5))
        train = MannequinDataset(
            identities=self.identities - test, poses=self.poses, seed=self.seed, split="train", size=self.size
        )
        return train, MannequinDataset(identities=test, poses=self.poses, seed=self.seed, split="test", size=self.size)


def write_mannequin(
    out: str | Path, *, identities: int, poses: int, seed: int = 0, size: tuple[int, int] = (256, 176)
) -> PrepareReport:
    """Writes both splits in the DeepFashion layout. It can be interrupted, and run again.

    Args:
        out: the folder to write: a new one, or one begun with the same numbers.
        identities: people in both splits together; one fifth of them, at least one, are for testing.
        poses: images of each.
        seed: another seed is other people.
        size: (height, width) of the images, in the shape of the frame, 256:176.

    Raises:
        ValueError: for numbers out of range, and for a folder that holds something else.
    """
    out = Path(out)
    if identities < 2:
        raise ValueError(f"identities must be at least 2, one to train and one to test with, got {identities}")
    configuration = MannequinConfiguration(identities=identities, poses=poses, seed=seed, size=size)
    datasets = configuration.datasets()
    _claim(out, configuration)
    missing = [
        (dataset, name) for dataset in datasets for name in dataset.names if not _file(out, dataset, name).exists()
    ]
    for dataset, name in tqdm(missing, desc="drawing", unit="image", disable=None):
        _draw(dataset, name, _file(out, dataset, name))
    for dataset in datasets:
        _write_lists(out, dataset)
    return PrepareReport(out, written=len(missing), present=sum(len(d.names) for d in datasets) - len(missing))


def image_name(number: int, view: int) -> str:
    """The flat DeepFashion name of a person's image."""
    return f"fashionWOMENMannequinid{number:08d}{view + 1:02d}_4full.jpg"


def _check(identities: int, poses: int, seed: int, size: tuple[int, int]) -> None:
    if not 1 <= identities <= MAX_IDENTITIES:
        raise ValueError(f"identities must be from 1 to {MAX_IDENTITIES}, got {identities}")
    if not 2 <= poses <= MAX_POSES:
        raise ValueError(f"poses must be from 2 (a pair needs two) to {MAX_POSES}, got {poses}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    height, width = size
    if height < 16 or abs(width - height * DEEPFASHION_FRAME[1] / DEEPFASHION_FRAME[0]) > 1:
        raise ValueError(f"size must have the shape 256:176 of the keypoints' frame, e.g. (512, 352), got {size}")


def _claim(out: Path, configuration: MannequinConfiguration) -> None:
    """Marks `out` as holding this configuration, before any image is in it."""
    path, content = out / CONFIGURATION_FILE, json.dumps(asdict(configuration))
    if path.exists():
        there = path.read_text(encoding="utf-8").strip()
        if there != content:
            raise ValueError(f"{out}: holds {there}, asked for {content}; choose another folder, or ask for the same")
    elif out.exists() and any(out.iterdir()):
        raise ValueError(f"{out}: is not empty and was not begun by this command; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(content + "\n", encoding="utf-8")
    for split in SPLITS:
        (out / split).mkdir(exist_ok=True)


def _file(out: Path, dataset: MannequinDataset, name: str) -> Path:
    return out / dataset.split / name


def _draw(dataset: MannequinDataset, name: str, path: Path) -> None:
    image = to_pil(dataset.image(name))
    with replacing(path) as temporary:
        image.save(temporary, format="JPEG", quality=JPEG_QUALITY)


def _write_lists(out: Path, dataset: MannequinDataset) -> None:
    annotations = {name: dataset.keypoints(name) for name in dataset.names}
    with replacing(out / f"{dataset.split}.lst") as path:
        write_names(path, dataset.names)
    with replacing(out / LAYOUT.annotations[0].format(split=dataset.split)) as path:
        write_annotations(path, annotations)
    with replacing(out / LAYOUT.pairs[0].format(split=dataset.split)) as path:
        write_pairs(path, dataset.pairs)
