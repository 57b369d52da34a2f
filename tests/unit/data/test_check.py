"""What `cfld data check` says of folders as they are met."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfld.cli import parse
from cfld.data.check import check_folder
from cfld.mannequin.dataset import write_mannequin
from support.data_tree import NAMES, save_image, write_lists, write_tree


def test_a_prepared_data_set(tmp_path: Path) -> None:
    write_mannequin(tmp_path / "data", identities=4, poses=2, seed=0, size=(64, 44))
    check = check_folder(tmp_path / "data")
    assert (check.kind, check.missing) == ("mannequin", ())
    assert "cfld train" in check.next


def test_what_is_missing_of_a_prepared_one(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "train" / NAMES[0]).unlink()
    check = check_folder(tmp_path)
    text = str(check)
    assert f"MISSING  1 images of train.lst: {NAMES[0]}" in text
    assert "MISSING  fashion-resize-pairs-test.csv" in text
    assert "train/: 5 images" in "".join(check.found)


def test_downloads(tmp_path: Path) -> None:
    assert check_folder(tmp_path).kind == ""
    save_image(tmp_path / "raw/img_highres/WOMEN/Dresses/id_00000001/01_1_front.jpg")
    check = check_folder(tmp_path)
    assert check.missing == ("the lists: fashion-resize-pairs-train.csv and others",)
    write_lists(tmp_path / "lists", "train", spelling="fasion")
    check = check_folder(tmp_path)
    assert check.missing == ("fashion-resize-pairs-test.csv", "fashion-resize-annotation-test.csv")
    write_lists(tmp_path / "lists", "test")
    check = check_folder(tmp_path)
    assert check.missing == ()
    command = parse(check.next.split()[1:])
    assert (command.images, command.lists) == (tmp_path / "raw/img_highres", tmp_path / "lists")


def test_archives_and_absent_folders(tmp_path: Path) -> None:
    (tmp_path / "img_highres.zip").write_bytes(b"")
    assert check_folder(tmp_path).next.startswith(f"unpack {tmp_path}/img_highres.zip")
    with pytest.raises(ValueError, match="no such folder"):
        check_folder(tmp_path / "none")
