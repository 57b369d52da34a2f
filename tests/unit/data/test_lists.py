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
        (b"a,b\n", "expected the header 'from,to', got 'a,b'"),
        (b"a.jpg,b.jpg\na.jpg\n", "line 2: expected two image names, got 1"),
        (b'[{"source_image": "a.jpg"}]', 'item 1: expected "source_image" and "target_image"'),
        (b"", "expected the header"),
        (b"from,to\na.jpg\n", "line 2: has 1 fields"),
        (b"\xff\xd8\xff\xe0", "not a text file"),
    ],
)
def test_malformed_pairs(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "pairs.csv")


@pytest.mark.parametrize(
    "content",
    [
        "from,to\na.jpg,b.jpg\n",
        "a.jpg,b.jpg\n",
        "a.jpg b.jpg\n",
        "index,from,to\n0,a.jpg,b.jpg\n",
        '[{"source_image": "a.jpg", "target_image": "b.jpg"}]',
    ],
)
def test_forms_of_pairs(tmp_path: Path, content: str) -> None:
    (tmp_path / "pairs").write_text(content)
    assert read_pairs(tmp_path / "pairs") == [("a.jpg", "b.jpg")]


def test_annotations_without_a_header(tmp_path: Path) -> None:
    write_annotations(tmp_path / "with", {"a.jpg": a_pose(0)})
    (tmp_path / "without").write_text((tmp_path / "with").read_text().partition("\n")[2])
    assert [*read_annotations(tmp_path / "without", (256, 176))] == ["a.jpg"]
