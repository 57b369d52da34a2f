"""Configurations as JSON, and files and folders that are either whole or not there."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON values: tuples become lists, paths become strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return plain


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """The inverse of `to_dict`; fields that are not given keep their defaults.

    Raises:
        ValueError: naming fields that `kind` does not have.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} is read from fields by name, got {str(values)[:40]!r}")
    fields = typing.get_type_hints(kind)
    if unknown := sorted(set(values) - set(fields)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(fields)}")
    return kind(**{name: _revive(fields[name], value) for name, value in values.items()})


def save(config: Any, path: str | Path) -> None:
    save_json(to_dict(config), path)


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


def load(kind: type[T], path: str | Path) -> T:
    """Reads what `save` wrote.

    Raises:
        ValueError: naming the file, when it is no such configuration.
    """
    values = load_json(path)
    try:
        return from_dict(kind, values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a {kind.__name__} ({error})") from None


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


def _revive(kind: Any, value: Any) -> Any:
    """A plain JSON value as the annotated type: nested configurations, tuples, paths and their optional forms."""
    if value is None:
        return None
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        (kind,) = (option for option in typing.get_args(kind) if option is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_dict(kind, value)
    if typing.get_origin(kind) is tuple:
        return tuple(value)
    return Path(value) if kind is Path else value
