"""What preparing a data set needs: placing files so that it can be interrupted and run again, and the report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cfld.data.base import SPLITS
from cfld.data.lists import Layout, read_annotations, read_names


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        out: the folder that was written.
        written, present: pictures placed by this run; pictures that an earlier run had placed.
        missing_pictures: names in the lists that no file matches.
        missing_lists: text files that were not found, under the preferred spelling.
    """

    out: Path
    written: int
    present: int
    missing_pictures: tuple[str, ...] = ()
    missing_lists: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.written} pictures written, {self.present} already there"]
        for what, names in (("pictures of the lists not found", self.missing_pictures), ("lists", self.missing_lists)):
            if names:
                some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                lines.append(f"MISSING: {len(names)} {what}: {some}")
        return "\n".join(lines)


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


def place_lists(layout: Layout, lists: Path, out: Path) -> tuple[str, ...]:
    """Copies the text files of both splits as they are spelled; returns those that are not in `lists`.

    Raises:
        ValueError: when none is there.
    """
    wanted = [(spellings, split) for split in SPLITS for spellings in layout.lists()]
    found = {item: layout.find(lists, *item) for item in wanted}
    if not any(found.values()):
        raise ValueError(f"{lists}: none of the lists is in it, e.g. {layout.pairs[0].format(split='train')}")
    out.mkdir(parents=True, exist_ok=True)
    for source in filter(None, found.values()):
        if source.resolve() != (out / source.name).resolve():
            with replacing(out / source.name) as temporary:
                shutil.copyfile(source, temporary)
    return tuple(spellings[0].format(split=split) for (spellings, split), path in found.items() if path is None)


def listed_names(layout: Layout, lists: Path, split: str) -> list[str]:
    """The pictures of a split: those of its `.lst` file, or without one those annotated; none without either."""
    names, annotations = (layout.find(lists, files, split) for files in (layout.names, layout.annotations))
    listed = read_names(names) if names else read_annotations(annotations, layout.frame) if annotations else ()
    return [name for name in dict.fromkeys(listed) if layout.keeps(name)]


def place_pictures(
    wanted: Mapping[str, Sequence[str]], available: Mapping[str, Mapping[str, Path]], out: Path
) -> tuple[int, int, tuple[str, ...]]:
    """Places the wanted pictures of each split in `out/<split>/`, with a progress bar.

    Args:
        wanted: split -> picture names.
        available: split -> picture name -> the file to take it from.

    Returns:
        How many were written, how many were there, and the names that are neither there nor available.
    """
    written, present, missing = 0, 0, []
    for split, names in wanted.items():
        folder = out / split
        folder.mkdir(parents=True, exist_ok=True)
        for name in tqdm(names, desc=split, unit="picture", disable=None):
            if (folder / name).exists():
                present += 1
            elif name in available[split]:
                place(available[split][name], folder / name)
                written += 1
            else:
                missing.append(name)
    return written, present, tuple(missing)
