"""Atomic writes: a file or folder appears on disk complete or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cfld.claims import LONGEST_NAME, claimed, new_temporary


def save_json(values: Any, path: str | Path) -> None:
    write_text(path, json.dumps(values, indent=2) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to; it replaces `path` when the block ends without an error."""
    with replacing_all(path) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(*paths: Path) -> Iterator[list[Path]]:
    """As `replacing`, for files that belong together: all are replaced when the block ends, or none.

    Raises:
        OSError: naming the file that cannot be written, whatever the system's error names.
    """
    temporaries = [new_temporary(path, path.suffix) for path in paths]
    try:
        yield temporaries
        for temporary in temporaries:
            _sync(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            temporary.replace(path)
    except OSError as error:
        names: dict[object, Path] = {None: paths[0], **dict(zip(map(str, temporaries), paths, strict=True))}
        written = error.filename if error.filename2 is None else str(error.filename2)  # of a copy
        if error.errno is None or written not in names:
            raise
        raise OSError(error.errno, error.strerror, str(names[written])) from None
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file; several processes may write the same one."""
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-links `source` to `target`, or copies it where the file system has no hard links."""
    with replacing(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copy2(source, temporary)


def is_too_long(name: str) -> bool:
    """Whether a file system would not take the name of a file."""
    return len(os.fsencode(name)) > LONGEST_NAME


def check_name(path: Path) -> None:
    """Raises ValueError if the name of a file to write is too long."""
    if is_too_long(path.name):
        length = len(os.fsencode(path.name))
        raise ValueError(f"{path}: a file name of {length} bytes; names have at most {LONGEST_NAME}")


@contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that is renamed to `path` when the block ends, and removed if it raises.

    If `path` is a link, the link stays, and the folder is the one that it leads to.

    Args:
        replace: accept an existing folder that is not empty; it stays until the new one is complete, which takes over
            the files that it lacks.

    Raises:
        ValueError: if `path` exists and is not an empty folder, nor one to replace; or another process writes it.
    """
    path = Path(os.path.realpath(path))
    with claimed(path):
        if path.exists() and not (path.is_dir() and (replace or not any(path.iterdir()))):
            raise ValueError(f"{path} exists already; name another folder, or remove it first")
        temporary = new_temporary(path)
        temporary.mkdir()
        try:
            yield temporary
            if replace and path.exists():
                _take_over(path, temporary)
            for file in filter(Path.is_file, temporary.rglob("*")):
                _sync(file)
            _move(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _take_over(old: Path, new: Path) -> None:
    """Gives `new` the files of `old` that it does not have."""
    for source in old.rglob("*"):
        target = new / source.relative_to(old)
        if source.is_dir() and not source.is_symlink():
            target.mkdir(exist_ok=True)
        elif not os.path.lexists(target):
            shutil.copy2(source, target, follow_symlinks=False)


def _move(new: Path, path: Path) -> None:
    """Renames a folder; one that is in its place is put aside first, and back if that fails."""
    aside = new_temporary(path, restored_to=path)
    if path.exists():
        path.rename(aside)
    try:
        new.replace(path)
    except BaseException:
        if aside.exists():
            aside.rename(path)
        raise
    _sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _sync(path: Path) -> None:
    """Flushes a file or folder to disk, so that a rename after it never exposes a torn one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
