"""The paths of a command: its outputs are checked against its inputs, and claimed while it runs.

Options marked as `Output` are written. All other paths are read, as are those in the texts of options marked as `Input`
and those that a command's own `reads` returns. `main` applies this to every command.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

from cfld.claims import Input, Output, claimed, claimed_folder, owned
from cfld.files import check_name
from cfld.ranges import leaves

ASSETS: Final = Path(__file__).parents[1] / "assets"


@dataclasses.dataclass(frozen=True)
class Written:
    """An output of a command."""

    option: str
    path: Path
    output: Output


@contextmanager
def outputs(command: Any) -> Iterator[None]:
    """Checks the outputs of a command and claims them for the block.

    Raises:
        ValueError: for an output of another kind than the command writes, one that is an input or lies in one or
            contains one, two that are the same, one that another process writes, and a folder in which the command
            would replace what it has not written.
    """
    written = list(writes(command))
    check_outputs(written, list(reads(command)))
    with ExitStack() as claims:
        for one in written:
            if one.output.claimed and one.output.kind != "shared folder":
                claim = claimed_folder if one.output.kind == "folder" else claimed
                claims.enter_context(claim(one.path))
            if one.output.entries:
                claims.enter_context(owned(one.path, one.output.entries))
        yield


def writes(command: Any) -> Iterator[Written]:
    """The outputs of a command, with the files that it writes beside them."""
    for option, marks, value in _options(command):
        for output in (mark for mark in marks if isinstance(mark, Output)):
            for path in _paths(value):
                yield Written(option, path, output)
                for name in output.companions:
                    yield Written(option, path.with_name(name.format(path.name)), Output("file", claimed=False))


def reads(command: Any) -> Iterator[Path]:
    """The existing files and folders that a command reads, and the folders that these link to."""
    found: list[Path] = list(command.reads()) if hasattr(command, "reads") else []
    for _, marks, value in _options(command):
        if not any(isinstance(mark, Output) for mark in marks):
            found += _paths(value, texts=any(isinstance(mark, Input) for mark in marks))
    for path in filter(os.path.exists, found):
        yield path
        if path.is_dir():
            yield from (Path(entry.path) for entry in os.scandir(path) if entry.is_symlink() and entry.is_dir())


def check_outputs(written: list[Written], inputs: list[Path]) -> None:
    """Raises ValueError as `outputs`."""
    for i, one in enumerate(written):
        _check_kind(one)
        remedy = f"which is an input; name another output for {one.option}"
        for place in inputs:
            if _same(one.path, place):
                raise ValueError(f"{one.path} is also an input; name another output for {one.option}")
            if _inside(one.path, place):
                raise ValueError(f"{one.path} lies in {place}, {remedy}")
            if one.output.kind in ("folder", "whole folder") and _inside(place, one.path):
                raise ValueError(f"{one.path} contains {place}, {remedy}")
        for other in written[:i]:
            if _same(one.path, other.path):
                raise ValueError(f"{one.path} is written for {other.option} and {one.option}; name another output")


def _check_kind(one: Written) -> None:
    path, extensions = one.path, one.output.extensions
    check_name(path)
    if one.output.kind != "file":
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path} is a file; name a folder for {one.option}")
        return
    if extensions and path.suffix.lower() not in extensions:
        raise ValueError(f"{path}: unknown file extension; use one of {', '.join(extensions)}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file to write")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file; name another file to write")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file or folder, by whatever names; where neither exists yet, also but for case."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one).casefold() == os.path.realpath(other).casefold()


def _inside(path: Path, folder: Path) -> bool:
    """Whether a path, or what it links to, lies in a folder."""
    places = {Path(os.path.realpath(path)), Path(os.path.realpath(path.parent)) / path.name}
    parents = {parent for place in places for parent in place.parents}
    return folder.is_dir() and any(parent.exists() and parent.samefile(folder) for parent in parents)


def _options(values: Any) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Option, marks and value of each field, nested ones included."""
    for name, hint, value in leaves(values):
        yield f"--{name.replace('_', '-')}", _marks(hint), value


def _marks(hint: Any) -> tuple[Any, ...]:
    """The metadata of a type and of its parts."""
    own = hint.__metadata__ if get_origin(hint) is Annotated else ()
    return (*own, *(mark for part in get_args(hint) for mark in _marks(part)))


def _texts(value: str) -> list[str]:
    """A text, and what follows NAME= in it."""
    return [text for text in (value, value.partition("=")[2]) if text]


def _paths(value: Any, texts: bool = False) -> list[Path]:
    """The paths in an option's value; with `texts`, also those that a text may name: PATH, NAME=PATH, PATH/PATTERN."""
    if isinstance(value, tuple):
        return [path for item in value for path in _paths(item, texts)]
    if isinstance(value, str) and texts:
        named = [Path(f"{text.partition('{')[0]}x").parent if "{" in text else Path(text) for text in _texts(value)]
        return [ASSETS / path if (ASSETS / path).exists() else path for path in named]
    return [value] if isinstance(value, Path) else []
