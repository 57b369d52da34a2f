"""The folder of a running server, and what is left of one that was killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cfld.app.folder import PREFIX, temporary_folder

OTHER = """
import sys
from cfld.app.folder import temporary_folder
with temporary_folder() as folder:
    (folder / "photo.png").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@contextmanager
def other_server() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with such a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_folder_is_private_and_removed_at_the_end(tmp_path: Path) -> None:
    with temporary_folder() as folder:
        (folder / "photo.png").touch()
        assert folder.parent.stat().st_mode & 0o077 == 0
        assert folder.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "mine.png").touch()
    (tmp_path / f"{PREFIX}mine").symlink_to(photos)
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}empty").mkdir()  # of a server killed at the start
    before = {"photos", f"{PREFIX}mine", f"{PREFIX}file"}
    with other_server() as (running, kept), other_server() as (killed, left):
        killed.kill()
        killed.wait()
        assert (left / "photo.png").exists()
        with temporary_folder() as own:
            assert not left.parent.exists()
            assert (kept / "photo.png").exists()
            assert {path.name for path in tmp_path.iterdir()} == {*before, kept.parent.name, own.parent.name}
        running.communicate()
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (photos / "mine.png").exists()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.03, 0.1])
def test_a_removal_that_was_interrupted_is_finished_by_the_next_start(tmp_path: Path, seconds: float) -> None:
    with other_server() as (process, folder):
        for number in range(1000):
            (folder / str(number)).mkdir()
            (folder / str(number) / "photo.png").touch()
        assert process.stdin is not None
        process.stdin.close()
        time.sleep(seconds)
        process.kill()
        process.wait()
    with temporary_folder():
        assert not folder.parent.exists()
    assert list(tmp_path.iterdir()) == []


def test_servers_that_start_together_do_not_remove_each_others_folders(tmp_path: Path) -> None:
    def start(_: int) -> bool:
        with temporary_folder() as folder:
            (folder / "photo.png").touch()
            return (folder / "photo.png").exists() and (folder.parent / ".lock").exists()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(start, range(100)))
    assert list(tmp_path.iterdir()) == []
