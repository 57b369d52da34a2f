"""One trial of a command: what it was given, what it did, and what is wrong with that."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from safetensors import safe_open

from cfld.cli import main
from cfld.cli.errors import MAX_LINE
from support.fuzz.mutations import THINGS, place
from support.fuzz.sandbox import SERVING, Outcome, call, empty_folder
from support.fuzz.workspace import Base

INTERRUPTED: Final = 130
ODD: Final = {
    **{f"odd/{thing}": thing for thing in THINGS},
    "odd/empty.png": b"",
    "odd/empty.json": b"",
    "odd/text.jpg": b"hello",
    "odd/" + "n" * 240 + ".png": b"",
    "odd/a\nb.json": b"{}",
    "odd/\u202e\u00fc\U0001f600.png": b"hello",
    "-odd.png": b"",
}
"""Files that are always there."""
NEW_PATHS: Final = (
    *("new/x", "new/x.png", "new/x.json", "new/x.csv", "new/x.mp4", "new/x.gif", "x.PNG", "x.tar.gz"),
    *(".", "./", "..", "~/x", "me.png/x.png", "new/" * 1030 + "x.png", "new/" + "n" * 300 + ".png"),
    *("n" * 240, "n" * 240 + ".png", "n" * 240 + ".json", "\u00fc\U0001f600.png", "a\nb.png", "-x.png"),
)
"""Names of files and folders that are not there."""


@dataclass(frozen=True)
class Trial:
    """A command line in the workspace, of which some files are changed.

    Attributes:
        line: arguments of `cfld`.
        patches: path -> the content, or one of `THINGS`, that stands there instead.
    """

    base: Base
    line: tuple[str, ...]
    patches: Mapping[str, bytes | str] = field(default_factory=dict)

    def __str__(self) -> str:
        changed = "".join(f"\n  {path}: {_shown(thing)}" for path, thing in self.patches.items())
        return f"cfld {shlex.join(self.line)}{changed}"

    @property
    def is_long(self) -> bool:
        """Whether the arguments ask for much work."""
        return (
            self.base.slow
            or any(name and name not in self.line for name in self.base.options)
            or bool(re.search(r"\b\d{4,}\b|1e\+?\d", " ".join(self.line)))
        )

    def run(self, workspace: Path) -> Result:
        with empty_folder() as folder:
            work = folder / "work"
            work.mkdir()
            outcome = call(_run, workspace, self.needed(workspace), {**ODD, **self.patches}, self.line, folder=work)
            before, after = self.expected(workspace), dict(_entries(work))
            problems = tuple(_problems(self, outcome, before, after, work))
        return Result(outcome, problems)

    def needed(self, workspace: Path) -> list[str]:
        """The parts of the workspace that the command or a patch speaks of."""
        given = self.line[len(self.base.words) :]
        words = {part for word in (*given, *self.patches) for part in re.split("[=/]", word)}
        return [path.name for path in sorted(workspace.iterdir()) if path.name in words]

    def expected(self, workspace: Path) -> dict[str, str]:
        """The entries of the working directory before the command."""
        entries: dict[str, str] = {}
        for name in self.needed(workspace):
            entries[name] = _digest(workspace / name)
            if (workspace / name).is_dir():
                entries |= {f"{name}/{path}": digest for path, digest in _entries(workspace / name)}
        with empty_folder() as folder:
            for path, thing in ODD.items() | self.patches.items():
                place(folder / path, thing)
                entries = {name: digest for name, digest in entries.items() if not name.startswith(f"{path}/")}
                entries.pop(path, None)
            return entries | dict(_entries(folder))


@dataclass(frozen=True)
class Result:
    outcome: Outcome
    problems: tuple[str, ...]


def _run(workspace: Path, needed: Sequence[str], patches: Mapping[str, bytes | str], line: Sequence[str]) -> None:
    for name in needed:
        if (workspace / name).is_dir():
            shutil.copytree(workspace / name, name)
        else:
            shutil.copy(workspace / name, name)
    for path, thing in patches.items():
        place(Path(path), thing)
    main(line)


def _problems(
    trial: Trial, outcome: Outcome, before: Mapping[str, str], after: Mapping[str, str], work: Path
) -> Iterator[str]:
    """Yields everything that is not as it must be."""
    if outcome.seconds is None:
        yield "does not end"
    elif outcome.code < 0:
        yield f"killed by signal {-outcome.code}"
    elif outcome.code == INTERRUPTED and not (SERVING in outcome.out or trial.is_long):
        yield "computes for too long"
    elif outcome.code not in (0, 2, INTERRUPTED):
        yield f"exit code {outcome.code}: {_last_frame(outcome.err)}"
    allowed = trial.base.changes
    if lost := [
        path for path, digest in before.items() if after.get(path) != digest and not path.startswith(allowed or "\0")
    ]:
        yield f"changed an input: {lost[0]}"
    new = [path for path in after if path not in before and not path.startswith((".", *allowed))]
    if outcome.code == 2:
        yield from _line_problems(trial, outcome.err)
        if new and not (trial.base.keeps and trial.base.keeps in outcome.err):
            yield f"failed, and left {new[0]}"
    made = [path for path in new if not (trial.base.copies and after[path] in before.values())]
    if outcome.code == 0 and (broken := [path for path in made if not _is_whole(work / path)]):
        yield f"an output is not whole: {broken[0]}"
    if left := [path for path in after if path not in before and re.search(r"(^|/)\.[^/]*(part|-old|-[\w]{8})$", path)]:
        yield f"left a temporary file: {left[0]}"


def _line_problems(trial: Trial, err: str) -> Iterator[str]:
    lines = [line.rsplit("\r", 1)[-1] for line in err.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("cfld: ")]
    if not lines or lines[-1:] != own:
        yield f"exit code 2 without one clear line: {err[-300:]!r}"
        return
    if len(lines) > 1 and not trial.base.logs:
        yield f"more than one line: {lines[0][:200]!r}"
    line = lines[-1]
    if len(line) > MAX_LINE + 20:
        yield f"a line of {len(line)} characters: {line[:100]!r}"
    if not line.removeprefix("cfld: ").strip():
        yield "an empty message"
    if "Traceback" in err:
        yield "a traceback"
    if any(ord(character) < 32 for character in line):
        yield f"control characters in the message: {line[:100]!r}"
    if trial.patches and not any(part in line for path in trial.patches for part in _names(path)):
        yield f"does not name the file: {line[:200]}"


def _names(path: str) -> list[str]:
    """A file is named by its name, or by that of a folder that it is in."""
    return [part for part in Path(path).parts if part]


def _last_frame(err: str) -> str:
    """The last place in this package's code of a traceback, and the error."""
    frames = re.findall(r'/src/cfld/(\S+)", line (\d+)', err)
    lines = err.strip().splitlines() or [""]
    where = ":".join(frames[-1]) if frames else "?"
    return f"{where} {lines[-1][:150]}"


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(root) / name
            yield str(path.relative_to(folder)), _digest(path)


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if path.is_file():
        return hashlib.blake2b(path.read_bytes()).hexdigest()
    return "folder" if path.is_dir() else "other"


def _is_whole(path: Path) -> bool:
    """Whether a file is what its name says."""
    if not path.is_file() or path.is_symlink():
        return True
    content = path.read_bytes()
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            json.loads(content)
        elif suffix in (".png", ".jpg", ".jpeg", ".gif", ".webp", ".apng"):
            with Image.open(path) as image:
                for frame in range(getattr(image, "n_frames", 1)):
                    image.seek(frame)
                    image.load()
        elif suffix == ".safetensors":
            with safe_open(path, "pt") as tensors:
                tensors.keys()
        elif suffix == ".csv":
            list(csv.reader(content.decode().splitlines()))
        elif suffix in (".npy", ".npz"):
            np.load(path, allow_pickle=False)
        elif suffix == ".mp4":
            import av

            with av.open(str(path)) as video:
                return any(True for _ in video.decode(video=0))
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        del error
        return False
    return bool(content) or suffix in ("", ".lst")


def _shown(thing: bytes | str) -> str:
    return thing if isinstance(thing, str) else f"{len(thing)} bytes {thing[:120]!r}"
