"""Atomic writes: a file or folder appears on disk complete or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def save_json(values: Any, path: str | Path) -> None:
    write_text(path, json.dumps(values, indent=2) + "\n")


@contextmanager
def replacing(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Yields a temporary path beside `path` to write to; it replaces `path` when the block ends without an error.

    Args:
        suffix: ending of the temporary name, for libraries that infer the format from it.
    """
    temporary = path.with_name(f".{path.name}{suffix}")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 file; several processes may write the same one."""
    with replacing(Path(path), f".{os.getpid()}.part") as temporary:
        temporary.write_text(text, encoding="utf-8")
        _sync(temporary)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-links `source` to `target`, or copies it where the file system has no hard links."""
    with replacing(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copy2(source, temporary)


@contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that is renamed to `path` when the block ends, and removed if it raises.

    Args:
        replace: accept an existing folder that is not empty; it stays until the new one is complete.

    Raises:
        ValueError: if `path` exists and is not an empty folder, nor one to replace.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and (replace or not any(path.iterdir()))):
        raise ValueError(f"{path} exists already; name another folder, or remove it first")
    missing_parents = [parent for parent in path.absolute().parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    temporary.chmod(0o755)
    old = temporary.with_name(f"{temporary.name}-old")
    try:
        yield temporary
        for file in filter(Path.is_file, temporary.rglob("*")):
            _sync(file)
        if replace and path.exists():
            path.rename(old)
        temporary.replace(path)
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing_parents:
            with suppress(OSError):
                parent.rmdir()
        raise


def _sync(path: Path) -> None:
    """Flushes a file or folder to disk, so that a rename after it never exposes a torn one."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
