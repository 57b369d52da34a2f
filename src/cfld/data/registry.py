"""The kinds of data sets, by name. A new kind is one file beside this one, and one row here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfld.registry import Registry

if TYPE_CHECKING:
    from cfld.data.base import PoseDataset, ProceduralDataset
    from cfld.data.folder import FolderDataset

DATASETS: Final[Registry[type[FolderDataset]]] = Registry(
    "data set",
    {
        "mannequin": "cfld.mannequin.dataset:MannequinFolder",
        "deepfashion": "cfld.data.deepfashion:DeepFashion",
        "market1501": "cfld.data.market1501:Market1501",
    },
)
"""Kind -> reader of a folder. `detect_dataset` asks them in this order."""

PROCEDURAL_DATASETS: Final[Registry[type[ProceduralDataset]]] = Registry(
    "procedural data set", {"mannequin": "cfld.mannequin.dataset:MannequinDataset"}
)
"""Kind -> a data set that needs no folder: its images are generated as they are read."""


def open_dataset(kind: str, root: str | Path, split: str, *, skip_missing: bool = False) -> PoseDataset:
    """Opens one split of a data set folder; arguments and errors as `FolderDataset`.

    Raises:
        ValueError: for a kind that is not in `DATASETS`.
    """
    return DATASETS[kind](root, split, skip_missing=skip_missing)


def detect_dataset(root: str | Path) -> str:
    """The kind of data set that a folder holds.

    Raises:
        ValueError: when it is none, naming the files that would identify one.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    for kind, dataset in DATASETS.items():
        if dataset.recognises(root):
            return kind
    known = sorted({dataset.layout.pairs[0].format(split="train") for dataset in DATASETS.values()})
    raise ValueError(f"{root}: holds no data set; expected one of {', '.join(known)} in it (`cfld data --help`)")
