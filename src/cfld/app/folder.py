"""The folder of a running server's files. What a killed server left is removed by the next start."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "cfld-app-"
FILES: Final = "files"
LOCK: Final = ".lock"
"""A file in the folder; the system releases the lock when the process ends, however it ends."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that only this user can read, removed at the end. Removes those of servers that do not run."""
    parent = Path(tempfile.gettempdir()).resolve()
    _remove_abandoned(parent)
    folder, descriptor = _locked_folder(parent)
    (folder / FILES).mkdir()
    try:
        yield folder / FILES
    finally:
        _remove(folder)
        os.close(descriptor)


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor of its locked file."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # another server that has just started removed it
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if (folder / LOCK).exists():
                return folder, descriptor
            os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked, or of another user
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid():
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    """Removes a folder; raises OSError while its lock is held."""
    if not (folder / LOCK).exists():
        folder.rmdir()  # killed, or about to be locked; in no case it has contents
        return
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Removes a folder; its lock last, so that the next start finishes what is interrupted."""
    shutil.rmtree(folder / FILES, ignore_errors=True)
    if not (folder / FILES).exists():
        shutil.rmtree(folder, ignore_errors=True)
