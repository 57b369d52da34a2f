"""The text files of a data set.

pairs         from,to                                 CSV, one pair of image names per row; also without the header,
                                                      or JSON: [{"source_image": ..., "target_image": ...}]
annotations   name:keypoints_y:keypoints_x            JSON lists of 18 integers, -1 = missing; also without the header
names         one image name per line                 `.lst`
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cfld.files import write_text
from cfld.poses.keypoints import ANNOTATION_HEADER, Keypoints, parse_annotation
from cfld.readers.text import load_json, read_lines, read_table

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
PAIRS_HEADER: Final = ("from", "to")


def is_image_name(name: str) -> bool:
    """Whether a file name has an image suffix and is not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def read_names(path: Path) -> list[str]:
    """Reads the image names of a `.lst` file; ignores other lines."""
    return [line for _, line in read_lines(path) if is_image_name(line)]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Reads (source, target) names.

    Raises:
        ValueError: if a column or a name is missing; names file and row.
    """
    _, first = next(read_lines(path), (0, ""))
    if first.startswith("["):
        return _json_pairs(path)
    if len(names := _pair(first)) == 2 and all(map(is_image_name, names)):
        pairs = [_two(_pair(line), f"{path}, line {number}") for number, line in read_lines(path)]
    else:
        pairs = [(row["from"], row["to"]) for row in read_table(path, PAIRS_HEADER)]
    for number, pair in enumerate(pairs, start=1):
        if not all(pair):
            raise ValueError(f"{path}, row {number}: expected two image names, got {pair}")
    return pairs


def _pair(line: str) -> list[str]:
    return re.split(r"[,;\s]+", line.strip())


def _two(names: Sequence[str], what: str) -> tuple[str, str]:
    if len(names) != 2:
        raise ValueError(f"{what}: expected two image names, got {len(names)}")
    return names[0], names[1]


def _json_pairs(path: Path) -> list[tuple[str, str]]:
    """PCDMs' lists."""
    pairs: list[tuple[str, str]] = []
    for number, row in enumerate(load_json(path), start=1):
        names: list[Any] = [row.get(key) for key in ("source_image", "target_image")] if isinstance(row, dict) else []
        if len(names) != 2 or not all(isinstance(name, str) and name for name in names):
            raise ValueError(f'{path}, item {number}: expected "source_image" and "target_image"')
        pairs.append((names[0], names[1]))
    return pairs


def read_annotations(path: Path, frame: tuple[int, int]) -> dict[str, Keypoints]:
    """Reads image name -> pose in `frame`.

    Raises:
        ValueError: for another header, a malformed row, or two different rows of one name; names file and line.
    """
    lines = read_lines(path)
    number, header = next(lines, (0, ""))
    if is_image_name(header.partition(":")[0].strip()):
        lines = itertools.chain([(number, header)], lines)
    elif header.replace(" ", "") != ANNOTATION_HEADER:
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
    """Writes a `.lst` file, whole or not at all, as the two functions below."""
    write_text(path, "".join(f"{name}\n" for name in names))


def write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Writes a pairs CSV."""
    write_names(path, [",".join(row) for row in (PAIRS_HEADER, *pairs)])


def write_annotations(path: Path, annotations: Mapping[str, Keypoints]) -> None:
    """Writes an annotation CSV."""
    rows = (":".join((name, *pose.to_annotation())) for name, pose in annotations.items())
    write_names(path, [ANNOTATION_HEADER, *rows])
