"""Claims on outputs: one command at a time writes to a file or folder, and what a killed one left there is removed.

A claim is a lock file, in the folder that is written or beside the file; the system releases it with its process. The
command lists its temporary files in it before it creates them, and only what is listed there is ever removed. Another
list, which stays in the folder, says which entries a command may replace.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

logger = logging.getLogger(__name__)

LOCK: Final = ".cfld-lock"
"""Name of the lock file in a folder, and ending of the name of one beside a file."""
WRITTEN: Final = ".cfld-written"
"""File in a folder that lists which of its entries are a command's own."""
LONGEST_NAME: Final = 255
"""Bytes of a file name, on all usual file systems."""
_FIRST_LINE: Final = re.compile(rb"cfld (\d+)\n")
_TEMPORARY: Final = re.compile(r"\.cfld-[0-9a-f]{16}(\.\w{1,15})?")
_UNSUPPORTED: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Output:
    """Marks an option that names a file or folder to write: `Annotated[Path, Output(...)]`. Other paths are read.

    Attributes:
        kind: a whole folder is written beside its place and then moved there; other folders are filled gradually. To a
            shared one, several commands may add files at the same time, and none replaces what is in it.
        extensions: of a file; empty = any.
        companions: names of further files that are written beside it, with {} for its own name.
        claimed: by the command line, while the command runs; False = the command does that itself.
        entries: patterns of the names in a folder that the command replaces, see `owned`; empty = the command has a
            rule of its own.
    """

    kind: Literal["file", "folder", "whole folder", "shared folder"] = "folder"
    extensions: tuple[str, ...] = ()
    companions: tuple[str, ...] = ()
    claimed: bool = True
    entries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Input:
    """Marks an option whose text may name, among other things, a file or folder to read: `Annotated[str, Input()]`."""


@dataclass(eq=False)
class Claim:
    """A lock that this process holds.

    Attributes:
        file: the lock file.
        descriptor: of the open lock file; None in a forked process, which holds nothing.
    """

    file: Path
    descriptor: int | None

    def note(self, temporary: Path, restored_to: Path | None) -> None:
        """Lists a temporary file or folder that is about to be created below the lock file's folder."""
        if self.descriptor is not None:
            names = [path and os.path.relpath(path, self.file.parent) for path in (temporary, restored_to)]
            os.write(self.descriptor, json.dumps(names).encode() + b"\n")

    def begin(self) -> None:
        """Removes what a killed process left, and starts the list anew.

        Raises:
            ValueError: if the file is not a lock file.
        """
        assert self.descriptor is not None
        with open(self.descriptor, "rb", closefd=False) as file:
            first, *lines = file.read().splitlines(keepends=True) or [b""]
        if first and not _FIRST_LINE.fullmatch(first):
            raise ValueError(f"{self.file} is not a lock file of cfld; rename it")
        for line in lines:
            with suppress(ValueError, TypeError):  # the last line may be incomplete
                _clean(self.file.parent, *json.loads(line))
        os.ftruncate(self.descriptor, 0)
        try:
            os.write(self.descriptor, f"cfld {os.getpid()}\n".encode())
        except OSError as error:  # the disk is full
            self.file.unlink()
            raise OSError(error.errno, error.strerror, str(self.file)) from None

    def release(self) -> None:
        if self.descriptor is not None:
            self.file.unlink(missing_ok=True)
            os.close(self.descriptor)
        _open.discard(self)


_held: ContextVar[tuple[Claim, ...]] = ContextVar("held", default=())
_open: set[Claim] = set()


def _forget() -> None:
    """In a forked process: closes its copies, so that a lock ends with the process that took it."""
    for claim in _open:
        assert claim.descriptor is not None
        os.close(claim.descriptor)
        claim.descriptor = None
    _open.clear()
    _held.set(())


os.register_at_fork(after_in_child=_forget)


@contextmanager
def claimed(path: Path, wait: bool = False) -> Iterator[None]:
    """Claims a file, or a folder that appears whole, by a lock file beside it. A process may claim it again inside.

    Args:
        wait: for another process to release it.

    Raises:
        ValueError: while another process, or another thread, holds it.
    """
    name = f".{path.name}{LOCK}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}{LOCK}"
    with _holding(path.parent / name, path, wait):
        yield


@contextmanager
def claimed_folder(folder: Path, wait: bool = False) -> Iterator[None]:
    """Claims a folder that is filled gradually, by a lock file in it; as `claimed`.

    A folder that does not exist is made, and removed again if it is empty at the end.
    """
    with _holding(folder / LOCK, folder, wait):
        yield


@contextmanager
def owned(folder: Path, patterns: tuple[str, ...]) -> Iterator[None]:
    """Makes a claimed folder's entries of these names this command's own, which it may replace, now and in later runs.

    Raises:
        ValueError: if there are such entries already, and no earlier run made them its own.
    """
    listed = folder / WRITTEN
    if listed.is_symlink() or (listed.exists() and not listed.is_file()):
        raise ValueError(f"{listed} is not a list of cfld; rename it")
    own = set(listed.read_text(encoding="utf-8", errors="replace").splitlines()) if listed.is_file() else set()

    def found(names: Iterable[str]) -> list[str]:
        return sorted(path.name for path in folder.iterdir() if any(fnmatchcase(path.name, name) for name in names))

    if foreign := found(set(patterns) - own):
        raise ValueError(f"{folder} holds {foreign[0]}, which this command did not write; name another folder")
    try:
        if not own.issuperset(patterns):
            listed.write_text("".join(f"{name}\n" for name in sorted({*own, *patterns})), encoding="utf-8")
        yield
    finally:
        if not found({*own, *patterns}):
            listed.unlink(missing_ok=True)


def contents(folder: Path) -> list[Path]:
    """What is in a folder, apart from the files of this module."""
    return [path for path in folder.iterdir() if path.name not in (LOCK, WRITTEN)]


def new_temporary(path: Path, suffix: str = "", restored_to: Path | None = None) -> Path:
    """A name beside `path` that does not exist, listed in the claim that covers it.

    Args:
        restored_to: where it is moved, instead of being removed, if this process is killed and nothing is there.
    """
    name = f".cfld-{secrets.token_hex(8)}"
    temporary = path.parent / (name + suffix if _TEMPORARY.fullmatch(name + suffix) else name)
    folder = Path(os.path.realpath(path.parent))
    _note(folder / temporary.name, restored_to and folder / restored_to.name)
    return temporary


def make_folders(folder: Path) -> Callable[[], None]:
    """Makes a folder and its parents; returns a function that removes those that were made and are empty."""
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    for path in (*reversed(made), folder):  # mkdir(parents=True) would call itself for each parent
        path.mkdir(exist_ok=True)

    def remove() -> None:
        for path in made:
            with suppress(OSError):
                path.rmdir()

    return remove


def _note(path: Path, restored_to: Path | None = None) -> None:
    """Lists a path in the innermost claim that covers it."""
    for claim in reversed(_held.get()):
        if path.is_relative_to(claim.file.parent):
            return claim.note(path, restored_to)


@contextmanager
def _holding(lock: Path, output: Path, wait: bool) -> Iterator[None]:
    file = Path(os.path.realpath(lock.parent)) / lock.name
    if any(claim.file == file for claim in _held.get()):
        yield
        return
    remove_empty = make_folders(file.parent)
    try:
        _note(file)
        claim = _acquire(file, output, wait)
        token = _held.set((*_held.get(), claim))
        try:
            yield
        finally:
            _held.reset(token)
            claim.release()
    finally:
        remove_empty()


def _acquire(file: Path, output: Path, wait: bool) -> Claim:
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)  # again: its last holder may have removed it
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            exclusive = _lock(descriptor, output, wait)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError(f"{file} is not a lock file of cfld; rename it")
            if not _is_open_as(file, descriptor):  # its last holder removed it meanwhile
                os.close(descriptor)
                continue
            claim = Claim(file, descriptor)
            if exclusive:
                claim.begin()
        except BaseException:
            os.close(descriptor)
            raise
        _open.add(claim)
        return claim


def _lock(descriptor: int, output: Path, wait: bool) -> bool:
    """Locks an open file; returns False where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _FIRST_LINE.match(os.pread(descriptor, 64, 0))
        writer = f"process {int(found[1])}" if found else "another process"
        if not wait:
            raise ValueError(f"{output}: {writer} is writing to it; wait for it, or name another output") from None
        logger.info("%s: waiting for %s, which is writing to it", output, writer)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        logger.warning("%s: this file system has no locks; do not run two commands on it at the same time", output)
        return False
    return True


def _is_open_as(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _clean(folder: Path, name: Any, restored_to: Any) -> None:
    """Removes what is listed, or moves it back; ignores names that this module did not make."""
    path = folder / name
    if not os.path.lexists(path) or not Path(os.path.realpath(path.parent)).is_relative_to(folder):
        return
    if path.name.endswith(LOCK):
        with suppress(ValueError, OSError), _holding(path, path, wait=False):  # cleans its own list, and removes it
            return
    if not _TEMPORARY.fullmatch(path.name):
        return
    if restored_to is not None and not os.path.lexists(path.with_name(Path(restored_to).name)):
        path.rename(path.with_name(Path(restored_to).name))
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
