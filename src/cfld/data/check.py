"""What a folder holds of a data set, prepared or as it was downloaded, what is missing, and which command is next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cfld.data.folder import find_images
from cfld.data.layout import SPLITS, Layout
from cfld.data.lists import read_annotations, read_names, read_pairs
from cfld.data.registry import DATASETS, detect_dataset


@dataclass(frozen=True)
class Check:
    """
    Attributes:
        kind: of the data set; empty if none was recognised.
        found, missing: what there is and what is missing, a line each.
        next: the command to run, or what to do.
    """

    kind: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    next: str

    def __str__(self) -> str:
        lines = [f"{self.kind or 'no data set recognised'}", *(f"  found    {line}" for line in self.found)]
        return "\n".join([*lines, *(f"  MISSING  {line}" for line in self.missing), f"next: {self.next}"])


def check_folder(root: Path) -> Check:
    """Checks a folder.

    Raises:
        ValueError: if it does not exist, or one of its lists is malformed.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    try:
        kind = detect_dataset(root)
    except ValueError:
        return _downloads(root)
    layout = DATASETS[kind]
    if layout.downloaded and not any(find_images(root, layout, split) for split in SPLITS):
        return _downloads(root)
    return _prepared(root, kind, layout)


def _prepared(root: Path, kind: str, layout: Layout) -> Check:
    found: list[str] = []
    missing: list[str] = []
    for split in SPLITS:
        _check_split(root, layout, split, found, missing)
    if missing:
        sources = f" --images DIR --lists DIR --out {root}" if layout.downloaded else f" --out {root}"
        return Check(kind, tuple(found), tuple(missing), f"add what is missing, or repeat cfld data {kind}{sources}")
    command = f"cfld evaluate images --data {root}, or cfld train --config.data.root {root}"
    return Check(kind, tuple(found), (), command)


def _check_split(root: Path, layout: Layout, split: str, found: list[str], missing: list[str]) -> None:
    """Adds what there is of a split, and what is missing."""
    places = {"names": layout.names, "pairs": layout.pairs, "annotations": layout.annotations}
    lists = {what: path for what, names in places.items() if (path := layout.find(root, names, split))}
    wanted = [names[0].format(split=split) for what, names in places.items() if names and what not in lists]
    images = find_images(root, layout, split)
    if images is None:
        missing.append(f"{layout.images[0].format(split=split)}/, the images")
        files = None
    else:
        files = images.names
        found.append(f"{images.place.name}{'/' if images.place.is_dir() else ''}: {len(files):,} images")
    named = {what: _listed(layout, what, path) for what, path in lists.items()}
    missing += wanted
    for what, path in lists.items():
        found.append(f"{path.name}: {len(named[what]) // (2 if what == 'pairs' else 1):,} {what}")
        missing += _absent(named[what], files, f"images of {path.name}")
    if "pairs" in named:
        missing += _absent(named["pairs"], named.get("annotations"), f"annotations of {lists['pairs'].name}")


def _listed(layout: Layout, what: str, path: Path) -> list[str]:
    """The images of a list."""
    if what == "pairs":
        names = [name for pair in read_pairs(path) for name in pair]
    else:
        names = read_names(path) if what == "names" else [*read_annotations(path, layout.frame)]
    return [name for name in names if layout.keeps(name)]


def _absent(names: Iterable[str], there: Collection[str] | None, what: str) -> list[str]:
    """A line on the names that are not there; none if nothing of their kind is, which another line says."""
    present = None if there is None else set(there)
    absent = [] if present is None else [name for name in dict.fromkeys(names) if name not in present]
    some = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
    return [f"{len(absent):,} {what}: {some}"] if absent else []


def _downloads(root: Path) -> Check:
    folders = [root, *(path for path in sorted(root.glob("*")) if path.is_dir())]
    folders += [path for folder in folders[1:] for path in sorted(folder.glob("*")) if path.is_dir()]
    for kind, layout in DATASETS.items():
        if layout.downloaded is None:
            continue
        lists = next((f for f in folders if any(_lists(f, layout))), None)
        images = next(filter(layout.downloaded, folders), None)
        if lists is not None or images is not None:
            return _raw(root, kind, layout, lists, images)
    archive = next(iter(sorted(root.rglob("*.zip"))), None)
    if archive is not None:
        return Check("", (f"{archive.name}",), (), f"unpack {archive}, then repeat cfld data check {root}")
    expected = "img_highres/ with MEN/ and WOMEN/, or bounding_box_train/, and the lists"
    return Check(
        "", (), (expected,), "see docs/data.md; without any download: cfld data mannequin --out data/mannequin"
    )


def _raw(root: Path, kind: str, layout: Layout, lists: Path | None, images: Path | None) -> Check:
    found = [f"images below {images}"] if images is not None else []
    missing = [] if images is not None else ["the images: img_highres/ or Market-1501-v15.09.15/"]
    if lists is not None:
        found += [f"{path.relative_to(root)}" for path in _lists(lists, layout)]
        wanted = [(names, split) for split in SPLITS for names in layout.lists() if names != layout.names]
        missing += [names[0].format(split=s) for names, s in wanted if layout.find(lists, names, s) is None]
    else:
        missing.append(f"the lists: {layout.pairs[0].format(split='train')} and others")
    command = f"cfld data {kind} --images {images or 'DIR'} --lists {lists or 'DIR'} --out data/{kind}"
    return Check(kind, tuple(found), tuple(missing), command)


def _lists(folder: Path, layout: Layout) -> Iterator[Path]:
    for split in SPLITS:
        yield from filter(None, (layout.find(folder, names, split) for names in layout.lists()))
