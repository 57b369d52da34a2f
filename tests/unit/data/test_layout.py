"""Layouts: accepted names, ignored images, and how a folder is recognised."""

from dataclasses import replace
from pathlib import Path

import pytest

from cfld.data import deepfashion
from cfld.data.layout import check_split


def test_the_preferred_name_is_found_first(tmp_path: Path) -> None:
    layout = deepfashion.LAYOUT
    assert layout.find(tmp_path, layout.images, "train") is None
    for name in ("train", "train_highres"):
        (tmp_path / name).mkdir()
        assert layout.find(tmp_path, layout.images, "train") == tmp_path / name
    assert layout.find(tmp_path, layout.images, "test") is None


def test_a_marker_takes_the_place_of_the_pairs_file(tmp_path: Path) -> None:
    by_pairs, by_marker = deepfashion.LAYOUT, replace(deepfashion.LAYOUT, marker="mine.json")
    (tmp_path / "fasion-resize-pairs-test.csv").touch()
    assert (by_pairs.recognises(tmp_path), by_marker.recognises(tmp_path)) == (True, False)
    (tmp_path / "mine.json").touch()
    assert by_marker.recognises(tmp_path)


def test_junk_is_not_kept() -> None:
    layout = replace(deepfashion.LAYOUT, junk=("-1_", "0000_"))
    assert [layout.keeps(name) for name in ("0002_a.jpg", "-1_a.jpg", "0000_a.jpg")] == [True, False, False]


def test_other_splits_are_refused() -> None:
    assert check_split("test") == "test"
    with pytest.raises(ValueError, match="split 'val' is unknown; choose one of train, test"):
        check_split("val")
