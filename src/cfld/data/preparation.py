"""Writing data set folders, resumably."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from cfld.claims import claimed_folder
from cfld.data.layout import SPLITS, Layout, PrepareReport
from cfld.data.lists import (
    is_image_name,
    read_annotations,
    read_names,
    read_pairs,
    write_annotations,
    write_names,
    write_pairs,
)
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
    names = {split: _Names(layout, available[split]) for split in SPLITS}
    missing_lists = _place_lists(layout, lists, out, names)
    placed: list[str | None] = []
    missing: list[str] = []
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
        for name in tqdm(_names(layout, names[split], lists, split), desc=split, unit="image", disable=None):
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


def link_images(source: Path, target: Path) -> None:
    """Links or copies the images of a folder to another one; one that is there and the same stays."""
    target.mkdir(parents=True, exist_ok=True)
    files = [path for path in sorted(source.iterdir()) if is_image_name(path.name)]
    for file in tqdm(files, desc=target.name, unit="image", disable=None):
        if _problem(target / file.name, file):
            link_or_copy(file, target / file.name)


class _Names:
    """The images' own names for those of the lists, which may be paths or have another extension."""

    def __init__(self, layout: Layout, available: Mapping[str, Path]) -> None:
        self.available, self._flat_name = available, layout.flat_name
        self._by_stem = {Path(name).stem: name for name in available}

    def __call__(self, name: str) -> str:
        flat = self._flat_name(name)
        return flat if flat in self.available else self._by_stem.get(Path(flat).stem, flat)


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


def _place_lists(layout: Layout, lists: Path, out: Path, names: Mapping[str, _Names]) -> tuple[str, ...]:
    """Copies the text files of both splits under their names; returns the preferred names of those not found.

    Those that call images otherwise than the data set are written with its names, under their preferred names. All are
    read before the first is written.
    """
    wanted = [(files, split) for split in SPLITS for files in layout.lists()]
    found = {item: layout.find(lists, *item) for item in wanted}
    if not any(found.values()):
        raise ValueError(f"{lists}: none of the lists is in it, e.g. {layout.pairs[0].format(split='train')}")
    writers = [
        _translation(layout, files, source, out / files[0].format(split=split), names[split])
        or partial(_copy, source, out / source.name)
        for (files, split), source in found.items()
        if source is not None
    ]
    out.mkdir(parents=True, exist_ok=True)
    for write in writers:
        write()
    return tuple(files[0].format(split=split) for (files, split), path in found.items() if path is None)


def _copy(source: Path, target: Path) -> None:
    if source.resolve() != target.resolve():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)


def _translation(
    layout: Layout, files: tuple[str, ...], source: Path, target: Path, names: _Names
) -> Callable[[], None] | None:
    """Reads a list; returns what writes it with the data set's names, None if it has these already."""
    if files == layout.names:
        listed = read_names(source)
        return partial(write_names, target, own) if (own := [*map(names, listed)]) != listed else None
    if files == layout.pairs:
        pairs = read_pairs(source)
        translated = [(names(one), names(other)) for one, other in pairs]
        return partial(write_pairs, target, translated) if translated != pairs or source.suffix != ".csv" else None
    poses = read_annotations(source, layout.frame)
    renamed = {names(name): pose for name, pose in poses.items()}
    return partial(write_annotations, target, renamed) if [*renamed] != [*poses] else None


def _names(layout: Layout, names: _Names, lists: Path, split: str) -> Sequence[str]:
    """The images of a split: those of its `.lst` file, or else those annotated, or else those of the pairs; all
    available if the layout has no `.lst`."""
    found = {files: layout.find(lists, files, split) for files in layout.lists()}
    listed: Sequence[str] = ()
    if (path := found.get(layout.names)) is not None:
        listed = read_names(path)
    elif (path := found[layout.annotations]) is not None:
        listed = [*read_annotations(path, layout.frame)]
    elif (path := found[layout.pairs]) is not None:
        listed = [name for pair in read_pairs(path) for name in pair]
    available = () if layout.names else names.available
    return [*filter(layout.keeps, dict.fromkeys([*available, *map(names, listed)]))]
