"""Writing data set folders, resumably."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from cfld.claims import claimed_folder
from cfld.data.layout import SPLITS, Layout, PrepareReport
from cfld.data.lists import read_annotations, read_names
from cfld.data.transforms import read_image
from cfld.digests import ABSENT, outdated
from cfld.files import is_too_long, link_or_copy, replacing


def place_dataset(layout: Layout, available: Mapping[str, Mapping[str, Path]], lists: Path, out: Path) -> PrepareReport:
    """Copies the lists of a data set to `out`, and links or copies its images.

    Args:
        available: split -> image name -> file.
        lists: folder with the text files.

    Raises:
        ValueError: if `lists` holds none of them, or another process writes to `out`.
    """
    with claimed_folder(out):
        return _place(layout, available, lists, out)


def _place(layout: Layout, available: Mapping[str, Mapping[str, Path]], lists: Path, out: Path) -> PrepareReport:
    missing_lists = _place_lists(layout, lists, out)
    placed: list[str | None] = []
    missing: list[str] = []
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
        for name in tqdm(_names(layout, available[split], lists, split), desc=split, unit="image", disable=None):
            if is_too_long(name):
                missing.append(name)
                continue
            source, target = available[split].get(name), out / split / name
            problem = _problem(target, source)
            if problem and source is None:
                missing.append(name)
            else:
                placed.append(problem)
            if problem and source is not None:
                link_or_copy(source, target)
    present = placed.count(None)
    return PrepareReport(len(placed) - present, present, tuple(missing), missing_lists, outdated(placed))


def _problem(target: Path, source: Path | None) -> str | None:
    """Why an image is not the data set's: it differs from its source, or has none and does not open. None if it is."""
    if not target.exists():
        return ABSENT
    if source is not None:
        same = target.samefile(source) or filecmp.cmp(target, source, shallow=False)
        return None if same else "content changed"
    try:
        read_image(target)
    except ValueError:
        return "damaged"
    return None


def _place_lists(layout: Layout, lists: Path, out: Path) -> tuple[str, ...]:
    """Copies the text files of both splits under their names; returns the preferred names of those not found."""
    wanted = [(names, split) for split in SPLITS for names in layout.lists()]
    found = {item: layout.find(lists, *item) for item in wanted}
    if not any(found.values()):
        raise ValueError(f"{lists}: none of the lists is in it, e.g. {layout.pairs[0].format(split='train')}")
    out.mkdir(parents=True, exist_ok=True)
    for source in filter(None, found.values()):
        if source.resolve() != (out / source.name).resolve():
            with replacing(out / source.name) as temporary:
                shutil.copyfile(source, temporary)
    return tuple(names[0].format(split=split) for (names, split), path in found.items() if path is None)


def _names(layout: Layout, available: Mapping[str, Path], lists: Path, split: str) -> Sequence[str]:
    """The images of a split: those of its `.lst` file, or else those annotated; all available if it has no `.lst`."""
    names, annotations = (layout.find(lists, files, split) for files in (layout.names, layout.annotations))
    listed = read_names(names) if names else read_annotations(annotations, layout.frame) if annotations else ()
    return [*filter(layout.keeps, dict.fromkeys([*(() if layout.names else available), *listed]))]
