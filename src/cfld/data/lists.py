"""The text files beside the images: pairs, annotations, names; and `Layout`, which says what they are called.

pairs         from,to                                 CSV, one pair of image names a row
annotations   name:keypoints_y:keypoints_x            JSON lists of 18 integers, -1 = missing
names         one image name a line                 `.lst`
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cfld.poses.keypoints import Keypoints, parse_annotation

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
PAIRS_HEADER: Final = ("from", "to")
ANNOTATION_HEADER: Final = "name:keypoints_y:keypoints_x"


@dataclass(frozen=True)
class Layout:
    """What a kind of data set calls its files, relative to its root; `{split}` stands for "train" or "test".

    Attributes:
        frame: (height, width) that the annotations refer to.
        images, pairs, annotations, names: the spellings in use, the preferred one first; `names` may be none.
        junk: how the names of images begin that do not count; they are left out everywhere.
    """

    frame: tuple[int, int]
    images: tuple[str, ...]
    pairs: tuple[str, ...]
    annotations: tuple[str, ...]
    names: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()

    def keeps(self, name: str) -> bool:
        """Whether an image belongs to the data set."""
        return not name.startswith(self.junk)

    def find(self, root: Path, spellings: tuple[str, ...], split: str) -> Path | None:
        """The first spelling that exists under `root`."""
        candidates = (root / spelling.format(split=split) for spelling in spellings)
        return next((path for path in candidates if path.exists()), None)

    def lists(self) -> tuple[tuple[str, ...], ...]:
        """The spellings of every text file of a split."""
        return tuple(spellings for spellings in (self.names, self.pairs, self.annotations) if spellings)


def is_image_name(name: str) -> bool:
    """Whether a file name ends as an image's does and is not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def read_names(path: Path) -> list[str]:
    """The image names of a `.lst` file; other lines are passed over."""
    return [line for _, line in _lines(path) if is_image_name(line)]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """(source, target) names of every row.

    Raises:
        ValueError: naming the file and line, when columns `from` and `to` are not there.
    """
    rows = csv.DictReader(line for _, line in _lines(path))
    if not set(PAIRS_HEADER) <= set(rows.fieldnames or ()):
        raise ValueError(f"{path}: expected the header 'from,to', got {','.join(rows.fieldnames or ())!r}")
    pairs = [(row["from"], row["to"]) for row in rows]
    for number, pair in enumerate(pairs, start=1):
        if not all(pair):
            raise ValueError(f"{path}, row {number}: expected two image names, got {pair}")
    return pairs


def read_annotations(path: Path, frame: tuple[int, int]) -> dict[str, Keypoints]:
    """Image name -> pose in `frame`.

    Raises:
        ValueError: naming the file and line, for another header, a row that is no pose of 18 joints, and two
            different rows for one name.
    """
    lines = _lines(path)
    _, header = next(lines, (0, ""))
    if header.replace(" ", "") != ANNOTATION_HEADER:
        raise ValueError(f"{path}: expected the header {ANNOTATION_HEADER!r}, got {header[:60]!r}")
    seen: dict[str, tuple[str, str]] = {}
    annotations: dict[str, Keypoints] = {}
    for number, line in lines:
        name, *columns = (part.strip() for part in line.rsplit(":", 2))
        if len(columns) != 2:
            raise ValueError(f"{path}, line {number}: expected {ANNOTATION_HEADER}, got {line[:60]!r}")
        y, x = columns
        if seen.setdefault(name, (y, x)) != (y, x):
            raise ValueError(f"{path}, line {number}: a second, different annotation of {name}; keep one of the two")
        annotations[name] = parse_annotation(y, x, frame, name=f"{path}, line {number}")
    return annotations


def write_names(path: Path, names: Iterable[str]) -> None:
    """Writes a `.lst` file."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Writes a pairs CSV."""
    write_names(path, [",".join(row) for row in (PAIRS_HEADER, *pairs)])


def write_annotations(path: Path, annotations: Mapping[str, Keypoints]) -> None:
    """Writes an annotation CSV."""
    rows = (":".join((name, *pose.to_annotation())) for name, pose in annotations.items())
    write_names(path, [ANNOTATION_HEADER, *rows])


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not a text file (UTF-8)") from None
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())
