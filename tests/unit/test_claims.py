"""Claims: one writer at a time, and the leftovers of a killed one are removed, nothing else."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cfld.claims import LOCK, claimed, claimed_folder, contents, make_folders, new_temporary
from cfld.files import replacing, whole_folder

CONTEXT = multiprocessing.get_context("fork")


@contextmanager
def elsewhere(target: Callable[..., None], *arguments: Any, until: Path) -> Iterator[Any]:
    """Runs a function in a process of its own until `until` exists; it is killed at the end."""
    process = CONTEXT.Process(target=target, args=arguments)
    process.start()
    while not until.exists():
        assert process.is_alive()
        time.sleep(0.001)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def fill(folder: Path) -> None:
    """Is in the middle of writing a file and a folder."""
    with claimed_folder(folder), replacing(folder / "a.png") as temporary, whole_folder(folder / "model") as model:
        temporary.write_text("half")
        (model / "half").touch()
        (folder / "ready").touch()
        time.sleep(60)


def convert(folder: Path) -> None:
    with whole_folder(folder) as temporary:
        (temporary / "half").touch()
        (folder.parent / "ready").touch()
        time.sleep(60)


def write_half(path: Path) -> None:
    path.write_text("half")
    raise InterruptedError


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_claim_leaves_nothing(tmp_path: Path) -> None:
    with claimed_folder(tmp_path / "new" / "run"), claimed(tmp_path / "new" / "a.mp4"):
        assert tree(tmp_path) == ["new", f"new/.a.mp4{LOCK}", "new/run", f"new/run/{LOCK}"]
        assert contents(tmp_path / "new" / "run") == []
    assert tree(tmp_path) == []


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), claimed_folder(tmp_path / "new" / "run"):
        write_half(tmp_path / "new" / "run" / "a")
    assert tree(tmp_path) == ["new", "new/run", "new/run/a"]


def test_a_claim_may_be_taken_again_inside(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with claimed_folder(tmp_path), claimed_folder(tmp_path / "link"):
        pass
    assert tree(tmp_path) == ["link"]


@pytest.mark.parametrize("claim", [claimed, claimed_folder])
def test_another_thread_is_refused(tmp_path: Path, claim: Callable[..., Any]) -> None:
    refused = []

    def other() -> None:
        with pytest.raises(ValueError, match=rf"run: process {os.getpid()} is writing to it"), claim(tmp_path / "run"):
            pass
        refused.append(True)

    with claim(tmp_path / "run"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused
    assert tree(tmp_path) == []


def test_the_second_process_is_refused_while_the_first_lives_and_cleans_after_it(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with elsewhere(fill, run, until=run / "ready") as first:
        before = tree(tmp_path)
        with pytest.raises(ValueError, match=rf"run: process {first.pid} is writing to it"), claimed_folder(run):
            pass
        assert tree(tmp_path) == before
    assert tree(tmp_path) == before
    assert len(before) == 7
    with claimed_folder(run):
        assert [path.name for path in contents(run)] == ["ready"]
        with whole_folder(run / "model") as model:
            (model / "whole").touch()
    assert tree(tmp_path) == ["run", "run/model", "run/model/whole", "run/ready"]


def test_what_a_killed_conversion_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with elsewhere(convert, tmp_path / "model", until=tmp_path / "ready"):
        assert len(tree(tmp_path)) == 4
    with whole_folder(tmp_path / "model") as model:
        (model / "whole").touch()
    assert tree(tmp_path) == ["model", "model/whole", "ready"]


def test_a_folder_put_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    """As if it had been killed between the two renames of a replacement."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()

    def replace() -> None:
        with claimed(tmp_path / "model"):
            (tmp_path / "model").rename(new_temporary(tmp_path / "model", restored_to=tmp_path / "model"))
            (tmp_path / "ready").touch()
            time.sleep(60)

    with elsewhere(replace, until=tmp_path / "ready"):
        assert not (tmp_path / "model").exists()
    with claimed(tmp_path / "model"):
        assert (tmp_path / "model" / "old").exists()


def test_a_child_does_not_hold_the_lock_of_its_killed_parent(tmp_path: Path) -> None:
    """As the workers of a data loader, which may live a little longer."""

    def parent() -> None:
        with claimed_folder(tmp_path / "run"):
            child = CONTEXT.Process(target=time.sleep, args=(60,))
            child.start()
            (tmp_path / "child").write_text(str(child.pid))
            time.sleep(60)

    with elsewhere(parent, until=tmp_path / "child"):
        time.sleep(0.05)
    with claimed_folder(tmp_path / "run"):
        pass
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_waiting_claim_is_taken_when_the_first_ends(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with claimed_folder(tmp_path, wait=True):
            order.append("second")

    with claimed_folder(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert tree(tmp_path) == []


FILES_OF_A_USER = (".model-mine/a", "model.new", ".a.png.part", ".cfld-mine", "checkpoints/.step-1/a", "latents/mine/a")


def test_a_user_s_files_stay_whatever_their_names(tmp_path: Path) -> None:
    for name in FILES_OF_A_USER:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    with claimed_folder(tmp_path), replacing(tmp_path / "a.png") as temporary:
        temporary.write_text("whole")
    assert tree(tmp_path) == sorted([*before, "a.png"])


@pytest.mark.parametrize(
    "line",
    [
        '["../victim", null]',
        '["victim", null]',
        '["../.cfld-0123456789abcdef", null]',
        '["/etc/passwd", null]',
        '["link/.cfld-0123456789abcdef", null]',
        '["a", "b", "c"]',
        "[1, 2]",
        "{}",
        '["vic',
    ],
)
def test_a_forged_list_removes_nothing(tmp_path: Path, line: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(tmp_path)
    for path in (tmp_path / "victim", run / "victim", tmp_path / ".cfld-0123456789abcdef"):
        path.touch()
    (run / LOCK).write_text(f"cfld 1\n{line}\n")
    with claimed_folder(run):
        pass
    assert tree(tmp_path) == [".cfld-0123456789abcdef", "run", "run/link", "run/victim", "victim"]


def test_a_user_s_file_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    lock.write_text("my notes\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="is not a lock file"), claimed_folder(tmp_path):
            pass
        assert lock.read_text() == "my notes\n"
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=LOCK), claimed_folder(tmp_path):
        pass
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(ValueError, match="is not a lock file"), claimed_folder(tmp_path):
        pass


def test_names_may_have_any_length(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    with claimed(path), replacing(path) as temporary:
        temporary.write_text("whole")
    assert tree(tmp_path) == [path.name]


def test_a_moved_folder_is_cleaned_too(tmp_path: Path) -> None:
    with elsewhere(fill, tmp_path / "run", until=tmp_path / "run" / "ready"):
        pass
    shutil.move(tmp_path / "run", tmp_path / "other")
    with claimed_folder(tmp_path / "other"):
        assert [path.name for path in contents(tmp_path / "other")] == ["ready"]


def test_folders_in_folders_deeper_than_python_nests_calls(tmp_path: Path) -> None:
    depth = 1000
    remove = make_folders(tmp_path.joinpath(*["n"] * depth))
    made = tmp_path.joinpath(*["n"] * depth).is_dir()
    remove()  # first, because pytest cannot remove so many
    assert made
    assert list(tmp_path.iterdir()) == []
