"""The data sets, by name. A new one is a file with its `Layout`, and a row here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.data.base import ProceduralDataset
    from cfld.data.folder import FolderDataset
    from cfld.data.layout import Layout

DATASETS: Final[Registry[Layout]] = Registry(
    "data set",
    {
        "mannequin": "cfld.mannequin.layout:LAYOUT",
        "deepfashion": "cfld.data.deepfashion:LAYOUT",
        "market1501": "cfld.data.market1501:LAYOUT",
    },
)
"""Kind -> layout of its folder. `detect_dataset` tries them in this order."""

PROCEDURAL_DATASETS: Final[Registry[type[ProceduralDataset]]] = Registry(
    "procedural data set", {"mannequin": "cfld.mannequin.dataset:MannequinDataset"}
)
"""Kind -> data set without a folder, which renders its images when they are read."""


def open_dataset(kind: str, root: str | Path, split: str, *, skip_missing: bool = False) -> FolderDataset:
    """Opens one split of a data set folder; arguments and errors as in `FolderDataset`.

    Raises:
        ValueError: for a kind that is not in `DATASETS`.
    """
    from cfld.data.folder import FolderDataset

    return FolderDataset(root, split, DATASETS[kind], skip_missing=skip_missing)


def detect_dataset(root: str | Path) -> str:
    """The kind of data set in a folder.

    Raises:
        ValueError: if there is none; names the files that would identify one.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    for kind, layout in DATASETS.items():
        if layout.recognises(root):
            return kind
    known = sorted({layout.pairs[0].format(split="train") for layout in DATASETS.values()})
    raise ValueError(f"{root}: holds no data set; expected one of {', '.join(known)} in it (`cfld data --help`)")
