"""Kinds of data sets, by name and by the folder's content."""

from pathlib import Path

import pytest

from cfld.data.registry import DATASETS, detect_dataset, open_dataset
from cfld.poses.keypoints import DEEPFASHION_FRAME


def test_unknown_kinds_and_folders_are_named(tree: Path) -> None:
    with pytest.raises(ValueError, match="unknown data set 'imagenet'; choose one of mannequin, deepfashion"):
        open_dataset("imagenet", tree, "train")
    with pytest.raises(ValueError, match=r"holds no data set; expected one of fashion-resize-pairs-train\.csv, market"):
        detect_dataset(tree / "train")
    with pytest.raises(ValueError, match="absent: no such folder"):
        detect_dataset(tree / "absent")


def test_a_marker_decides_between_kinds_of_one_layout(tree: Path) -> None:
    assert detect_dataset(tree) == "deepfashion"
    (tree / "mannequin.json").touch()
    assert detect_dataset(tree) == "mannequin"


def test_the_frame_of_deepfashion_is_the_default_frame_of_keypoints() -> None:
    assert DATASETS["deepfashion"].frame == DATASETS["mannequin"].frame == DEEPFASHION_FRAME
