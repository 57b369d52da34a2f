"""A small re-identification data set: two people, junk, a distractor, and the poses of the training images."""

from __future__ import annotations

from pathlib import Path

from cfld.data.lists import write_annotations, write_pairs
from cfld.poses.keypoints import Keypoints
from support.data_tree import save_image

MARKET = {
    "bounding_box_train": (
        *("0002_c1s1_000451_03.jpg", "0002_c2s1_000551_01.jpg", "0007_c3s3_077419_03.jpg"),
        *("-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg"),
    ),
    "query": ("0003_c1s1_000651_00.jpg",),
    "bounding_box_test": ("0003_c2s1_000751_02.jpg", "-1_c1s1_000401_04.jpg", "0000_c1s1_000151_02.jpg"),
}
DUKE = {
    "bounding_box_train": ("0001_c2_f0046182.jpg", "0005_c4_f0091230.jpg"),
    "query": ("0009_c1_f0046182.jpg",),
    "bounding_box_test": ("0009_c2_f0046302.jpg",),
}
SIZE = (32, 16)


def write_reid(root: Path, names: dict[str, tuple[str, ...]], annotated: bool = True) -> Path:
    """Writes the folders; with `annotated`, also poses and one pair of the training images."""
    for folder, files in names.items():
        for seed, name in enumerate(files):
            save_image(root / folder / name, seed, SIZE)
    if annotated:
        train = names["bounding_box_train"]
        poses = {name: Keypoints([[4 + 5 * i, 8 + 2 * (i % 9)] for i in range(18)], (128, 64)) for name in train}
        write_annotations(root / "market-annotation-train.csv", poses)
        write_pairs(root / "market-pairs-train.csv", [train[:2]])
    return root
