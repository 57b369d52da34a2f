"""What the fuzz suite relies on: a process is confined, and what goes wrong in it is seen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fuzz.sandbox import MEMORY, call, empty_folder


def writes() -> None:
    Path("inside").write_text("x")
    for outside in (Path("../outside"), Path(__file__).parent / "outside"):
        try:
            outside.write_text("x")
        except PermissionError:
            continue
        raise AssertionError(outside)


def allocates() -> None:
    bytearray(MEMORY + 2**20)


def computes() -> None:
    while True:
        pass


def waits() -> None:
    os.mkfifo("pipe")
    Path("pipe").read_bytes()


def starts_a_child() -> None:
    if os.fork() == 0:
        time.sleep(1000)


@pytest.fixture
def folder() -> Iterator[Path]:
    with empty_folder() as outer:
        (outer / "inner").mkdir()
        yield outer / "inner"


def test_only_its_folder_changes(folder: Path) -> None:
    assert call(writes, folder=folder).code == 0
    assert [path.name for path in folder.iterdir()] == ["inside"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize(("function", "word"), [(allocates, "MemoryError"), (computes, "KeyboardInterrupt")])
def test_memory_and_computing_time_are_limited(function: Callable[[], None], word: str, folder: Path) -> None:
    outcome = call(function, folder=folder)
    assert outcome.code == 1
    assert word in outcome.err


def test_waiting_for_ever_is_seen(folder: Path) -> None:
    assert call(waits, folder=folder, idle=0.5).seconds is None


def test_children_end_too(folder: Path) -> None:
    start = time.monotonic()
    call(starts_a_child, folder=folder)
    assert time.monotonic() - start < 100
