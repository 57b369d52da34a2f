"""Files and folders on disk that are seen whole or not at all, and JSON."""

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


def load_json(path: str | Path) -> Any:
    """Raises ValueError naming the file when it is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None


def load_object(path: str | Path) -> dict[str, Any]:
    """Raises ValueError naming the file when it is no JSON object."""
    values = load_json(path)
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a JSON object, got {str(values)[:40]!r}")
    return values


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, to write to; it takes the place of `path` at the end, all or nothing."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def place(source: Path, target: Path) -> None:
    """Hard-links `source` to `target`, or copies it where the file system has no hard links."""
    with replacing(target) as temporary:
        try:
            os.link(source.resolve(), temporary)
        except OSError:
            shutil.copy2(source, temporary)


def write_text(path: str | Path, text: str) -> None:
    """Writes a file that is seen whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yields a new folder beside `path` that takes its name when the block ends well and vanishes when it does not.

    Raises:
        ValueError: if `path` exists and is not an empty folder.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} exists already; name another folder, or remove it first")
    new = [parent for parent in path.absolute().parents if not parent.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    temporary.chmod(0o755)
    try:
        yield temporary
        sync_tree(temporary)
        if path.exists():
            path.rmdir()
        temporary.replace(path)
        sync_directory(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in new:
            with suppress(OSError):
                parent.rmdir()
        raise


def sync_tree(folder: Path) -> None:
    """Makes sure that every file below is on the disk, so that a rename afterwards never shows a torn one."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
