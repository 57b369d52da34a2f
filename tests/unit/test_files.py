from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cfld.files import link_or_copy, replacing, whole_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(path: Path) -> None:
    path.write_text("half")
    raise InterruptedError


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    with replacing(file) as temporary:
        temporary.write_text("old")
        assert not file.exists()
    with pytest.raises(InterruptedError), replacing(file) as temporary:
        write_half(temporary)
    assert (names(tmp_path), file.read_text()) == (["a.png"], "old")


def test_the_temporary_file_may_keep_its_ending(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.mp4", ".part.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        temporary.write_text("video")
    assert names(tmp_path) == ["a.mp4"]


def test_leftovers_of_a_killed_process_are_replaced(tmp_path: Path) -> None:
    (tmp_path / ".a.png.part").write_text("half")
    with replacing(tmp_path / "a.png") as temporary:
        assert not temporary.exists()
        temporary.write_text("whole")
    assert names(tmp_path) == ["a.png"]


def test_links_share_the_content_and_copies_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_text("content")
    link_or_copy(tmp_path / "source", tmp_path / "link")
    assert (tmp_path / "link").samefile(tmp_path / "source")

    def no_links(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    link_or_copy(tmp_path / "source", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "content"
    assert not (tmp_path / "copy").samefile(tmp_path / "source")


def test_a_text_replaces_the_previous_one(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_text(tmp_path / "a.json", "one")
        write_text(tmp_path / "a.json", "two")
    finally:
        os.umask(old)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "two"
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644


def test_a_folder_is_complete_or_absent(tmp_path: Path) -> None:
    out = tmp_path / "new" / "model"
    with pytest.raises(FileNotFoundError), whole_folder(out) as folder:
        (folder / "nowhere" / "part").write_text("never")
    assert list(tmp_path.iterdir()) == []
    with whole_folder(out) as folder:
        (folder / "part").write_text("whole")
        assert not out.exists()
    assert (out / "part").read_text() == "whole"
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_only_an_empty_folder_may_be_replaced(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    with whole_folder(out) as folder:
        (folder / "part").write_text("mine")
    with pytest.raises(ValueError, match="exists already"), whole_folder(out):
        pass
    assert (out / "part").read_text() == "mine"


def test_a_replaced_folder_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "model"
    for content in ("first", "second"):
        with whole_folder(out, replace=True) as folder:
            (folder / content).write_text(content)
            assert names(tmp_path) == sorted([folder.name, *(["model"] if content == "second" else [])])
    assert names(out) == ["second"]
    with pytest.raises(InterruptedError), whole_folder(out, replace=True) as folder:
        write_half(folder / "third")
    assert (names(tmp_path), names(out)) == (["model"], ["second"])
    with pytest.raises(FileNotFoundError), whole_folder(out, replace=True) as folder:
        folder.rmdir()  # the last rename fails, after the old folder was moved aside
    assert (names(tmp_path), names(out)) == (["model"], ["second"])
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="exists already"), whole_folder(tmp_path / "file", replace=True):
        pass
