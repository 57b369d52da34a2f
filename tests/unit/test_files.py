from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from cfld.files import check_name, link_or_copy, replacing, replacing_all, whole_folder, write_text
from support.disk import largest_file


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


def test_the_temporary_file_keeps_its_ending(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        temporary.write_text("video")
    assert names(tmp_path) == ["a.mp4"]


def test_files_that_belong_together_are_all_replaced_or_none(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "a.png.json"]
    for content in ("old", "new"):
        with replacing_all(*paths) as temporaries:
            for temporary in temporaries:
                temporary.write_text(content)
    with pytest.raises(InterruptedError), replacing_all(*paths) as temporaries:
        write_half(temporaries[1])
    with pytest.raises(FileNotFoundError, match=r"a\.png\.json"), replacing_all(*paths) as temporaries:
        temporaries[0].write_text("newer")
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert names(tmp_path) == ["a.png", "a.png.json"]


def test_an_error_names_the_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Libraries name the temporary file, or none."""
    file = tmp_path / "a.bin"
    file.write_text("old")
    with pytest.raises(OSError, match=r"File too large: .*/a\.bin"), largest_file(1000), replacing(file) as temporary:
        temporary.write_bytes(bytes(2000))
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: .*/none/a\.bin"):
        write_text(tmp_path / "none" / "a.bin", "new")
    assert (names(tmp_path), file.read_text()) == (["a.bin"], "old")


def test_a_name_too_long_for_a_file_is_an_error(tmp_path: Path) -> None:
    check_name(tmp_path / ("x" * 255))
    for name in ("x" * 256, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 128):
        with pytest.raises(ValueError, match="256 bytes"):
            check_name(tmp_path / name)


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
            assert out.exists() == (content == "second")
    assert names(out) == ["first", "second"], "files that the new folder lacks are kept"
    with pytest.raises(InterruptedError), whole_folder(out, replace=True) as folder:
        write_half(folder / "third")
    assert (names(tmp_path), names(out)) == (["model"], ["first", "second"])
    with pytest.raises(FileNotFoundError), whole_folder(out, replace=True) as folder:
        folder.rmdir()  # the last rename fails, after the old folder was moved aside
    assert (names(tmp_path), names(out)) == (["model"], ["first", "second"])
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="exists already"), whole_folder(tmp_path / "file", replace=True):
        pass


@pytest.mark.parametrize("replace", [False, True])
def test_a_link_to_a_folder_stays_and_its_folder_is_filled(tmp_path: Path, replace: bool) -> None:
    """For example to another disk."""
    disk, link = tmp_path / "disk", tmp_path / "home" / "model"
    (disk / "model").mkdir(parents=True)
    link.parent.mkdir()
    link.symlink_to(disk / "model")
    with whole_folder(link, replace) as folder:
        (folder / "part").write_text("whole")
    assert (link.readlink(), names(disk / "model"), names(disk), names(link.parent)) == (
        disk / "model",
        ["part"],
        ["model"],
        ["model"],
    )


def test_a_copy_that_fails_names_the_file_to_write(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(5000))
    message = r"File too large: '\S*/target\.bin'$"
    with pytest.raises(OSError, match=message), largest_file(1000), replacing(tmp_path / "target.bin") as temporary:
        shutil.copyfile(source, temporary)
