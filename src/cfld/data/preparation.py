"""What preparing a data set needs: placing files so that it can be interrupted and run again, and the report."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cfld.data.base import SPLITS
from cfld.data.lists import Layout, read_annotations, read_names
from cfld.files import link_or_copy, replacing


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        out: the folder that was written.
        written, present: images placed by this run; images that an earlier run had placed.
        missing_images: names in the lists that no file matches.
        missing_lists: text files that were not found, under the preferred spelling.
    """

    out: Path
    written: int
    present: int
    missing_images: tuple[str, ...] = ()
    missing_lists: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.written} images written, {self.present} already there"]
        for what, names in (("images of the lists not found", self.missing_images), ("lists", self.missing_lists)):
            if names:
                some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                lines.append(f"MISSING: {len(names)} {what}: {some}")
        return "\n".join(lines)


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
    """The images of a split: those of its `.lst` file, or without one those annotated; none without either."""
    names, annotations = (layout.find(lists, files, split) for files in (layout.names, layout.annotations))
    listed = read_names(names) if names else read_annotations(annotations, layout.frame) if annotations else ()
    return [name for name in dict.fromkeys(listed) if layout.keeps(name)]


def place_images(
    wanted: Mapping[str, Sequence[str]], available: Mapping[str, Mapping[str, Path]], out: Path
) -> tuple[int, int, tuple[str, ...]]:
    """Places the wanted images of each split in `out/<split>/`, with a progress bar.

    Args:
        wanted: split -> image names.
        available: split -> image name -> the file to take it from.

    Returns:
        How many were written, how many were there, and the names that are neither there nor available.
    """
    written, present, missing = 0, 0, []
    for split, names in wanted.items():
        folder = out / split
        folder.mkdir(parents=True, exist_ok=True)
        for name in tqdm(names, desc=split, unit="image", disable=None):
            if (folder / name).exists():
                present += 1
            elif name in available[split]:
                link_or_copy(available[split][name], folder / name)
                written += 1
            else:
                missing.append(name)
    return written, present, tuple(missing)
