"""The text files of a data set: round trips, and malformed files."""

from pathlib import Path

import numpy as np
import pytest

from cfld.data.lists import (
    is_image_name,
    read_annotations,
    read_names,
    read_pairs,
    write_annotations,
    write_names,
    write_pairs,
)
from support.data_tree import a_pose


def test_what_is_written_is_read(tmp_path: Path) -> None:
    pairs, poses = [("a.jpg", "b.jpg"), ("b.jpg", "a.jpg")], {"a.jpg": a_pose(0), "b.jpg": a_pose(1)}
    write_names(tmp_path / "names", poses)
    write_pairs(tmp_path / "pairs", pairs)
    write_annotations(tmp_path / "annotations", poses)
    assert read_names(tmp_path / "names") == ["a.jpg", "b.jpg"]
    assert read_pairs(tmp_path / "pairs") == pairs
    found = read_annotations(tmp_path / "annotations", (256, 176))
    assert list(found) == list(poses)
    for name, pose in poses.items():
        np.testing.assert_array_equal(found[name].yx, pose.yx)


def test_image_names() -> None:
    assert [is_image_name(name) for name in ("a.JPG", "b.png", ".c.jpg", "d.txt", "e")] == [True, True] + [False] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.jpg,b.jpg\n", "expected the header 'from,to', got 'a.jpg,b.jpg'"),
        (b"", "expected the header"),
        (b"from,to\na.jpg\n", "line 2: has 1 fields"),
        (b"\xff\xd8\xff\xe0", "not a text file"),
    ],
)
def test_malformed_pairs(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "pairs.csv")
