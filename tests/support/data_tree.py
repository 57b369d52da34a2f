"""The parts of a tiny data set in the DeepFashion layout: 6 images of 64 x 44, 3 pairs."""

from pathlib import Path

import numpy as np
from PIL import Image

from cfld.data.lists import write_annotations, write_names, write_pairs
from cfld.poses.keypoints import Keypoints

PEOPLE = ("fashionWOMENDressesid00000001", "fashionMENDenimid00000002")
NAMES = [f"{person}01_{view}.jpg" for person in PEOPLE for view in ("1front", "2side", "3back")]
PAIRS = [(NAMES[0], NAMES[1]), (NAMES[1], NAMES[0]), (NAMES[3], NAMES[5])]


def a_pose(seed: int) -> Keypoints:
    return Keypoints(np.random.default_rng(seed).integers(0, 176, (18, 2)))


def save_image(path: Path, seed: int = 0, size: tuple[int, int] = (64, 44)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


def write_lists(root: Path, split: str = "train", spelling: str = "fashion") -> None:
    root.mkdir(parents=True, exist_ok=True)
    write_names(root / f"{split}.lst", NAMES)
    write_pairs(root / f"{spelling}-resize-pairs-{split}.csv", PAIRS)
    poses = {name: a_pose(seed) for seed, name in enumerate(NAMES)}
    write_annotations(root / f"{spelling}-resize-annotation-{split}.csv", poses)


def write_tree(root: Path) -> Path:
    """The small data set, training split alone."""
    write_lists(root)
    for seed, name in enumerate(NAMES):
        save_image(root / "train" / name, seed)
    return root
