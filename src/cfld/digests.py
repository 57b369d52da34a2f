"""Digests decide whether a result on disk is done: it is still what was written, and its inputs are still the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tqdm import tqdm

from cfld.readers.text import check_file

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

CHUNK: Final = 1 << 20
DIGITS: Final = 24
"""Hexadecimal digits of a digest: 96 bits of SHA-256."""
ABSENT: Final = "absent"
UNRECORDED: Final = "not recorded"
DAMAGED: Final = "damaged"
"""Reasons of `Record.problem`: a file does not exist, was not recorded, or is not what was recorded."""


def digest(*parts: str | ReadableBuffer) -> str:
    """The digest of texts and contiguous buffers; where one ends and the next begins counts."""
    hashed = hashlib.sha256()
    for part in parts:
        data = memoryview(part.encode() if isinstance(part, str) else part)
        hashed.update(data.nbytes.to_bytes(8, "little"))
        hashed.update(data)
    return hashed.hexdigest()[:DIGITS]


def json_digest(values: Any) -> str:
    """The digest of JSON values; other objects count by their `str`."""
    return digest(json.dumps(values, sort_keys=True, default=str))


def file_digest(path: Path) -> str:
    """The digest of a file's content, or of the names and contents of all files below a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest(*(part for file in files for part in (str(file.relative_to(path)), file_digest(file))))
    check_file(path)
    hashed = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()[:DIGITS]


def content_digest(content: bytes) -> str:
    """The `file_digest` of a file with this content."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """The digest of the names, dtypes, shapes and bits of tensors, a few seconds for gigabytes."""
    import torch

    def one(item: tuple[str, Tensor]) -> str:
        name, tensor = item
        bits = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
        return digest(f"{name} {tensor.dtype} {tuple(tensor.shape)}", bits)

    return digest(*in_threads(one, list(tensors.items()), "checking weights"))


def in_threads(function: Callable[[T], R], items: Sequence[T], description: str) -> list[R]:
    """The results of a function, in order, with a progress bar for what takes longer than a moment."""
    pool = ThreadPoolExecutor()
    try:
        results = pool.map(function, items)
        return list(tqdm(results, description, len(items), leave=False, disable=None, delay=1))
    finally:
        pool.shutdown(cancel_futures=True)


class Record:
    """What the files of a folder were made from, and their own digests: one JSON line each, in a file beside them.

    A line is appended once its file is complete, and the last line of a file counts, so a process may be killed at any
    time: a file without its line is not done. A file of which no line tells was not written here.
    """

    NAME: Final = "digests.jsonl"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        lines = list(_read_lines(folder / self.NAME))
        self._lines, self._digests = dict(lines), {line["digest"] for _, line in lines}

    def problem(self, file: Path, origin: Mapping[str, str]) -> str | None:
        """Why a file or folder is not, or no longer, what would be made now; None if it is.

        Args:
            origin: what it is made from: name -> digest.
        """
        if not file.exists():
            return ABSENT
        line = self._lines.get(self._name(file))
        if line is None:
            return UNRECORDED
        if line["digest"] != file_digest(file):
            return DAMAGED
        changed = [name for name in origin if line["origin"].get(name) != origin[name]]
        return f"{' and '.join(changed)} changed" if changed else None

    def wrote(self, file: Path) -> bool:
        """Whether the content of a file was recorded at any time, under whatever name."""
        return file_digest(file) in self._digests

    def add(self, file: Path, origin: Mapping[str, str], content: Path | None = None) -> None:
        """Records a complete file or folder and what it was made from.

        Args:
            content: where it is before it is moved to its place.
        """
        line = {"file": self._name(file), "digest": file_digest(content or file), "origin": dict(origin)}
        with (self._folder / self.NAME).open("a", encoding="utf-8") as lines:
            lines.write(f"\n{json.dumps(line)}")  # the break comes first: a line that was cut short ends there
        self._lines[self._name(file)] = line

    def _name(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()


def outdated(problems: Iterable[str | None]) -> str:
    """How many results exist but are not done, and why: `3 (2 source changed, 1 damaged)`; empty for none."""
    counts = Counter(problem for problem in problems if problem not in (None, ABSENT))
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    return f"{counts.total()} ({reasons})" if counts else ""


def _read_lines(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
            yield str(line["file"]), {"digest": str(line["digest"]), "origin": dict(line["origin"])}
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # cut short or damaged: its file is not done
