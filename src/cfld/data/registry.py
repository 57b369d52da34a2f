"""The kinds of data sets on disk, by name. A new kind is one file beside this one, and one row here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cfld.data.base import PoseDataset
from cfld.data.deepfashion import DeepFashion
from cfld.data.folder import FolderDataset
from cfld.data.mannequin_dataset import MannequinFolder
from cfld.data.market1501 import Market1501

DATASETS: Final[dict[str, type[FolderDataset]]] = {
    "mannequin": MannequinFolder,
    "deepfashion": DeepFashion,
    "market1501": Market1501,
}
"""Kind -> reader. `detect_dataset` asks them in this order."""


def open_dataset(kind: str, root: str | Path, split: str, *, skip_missing: bool = False) -> PoseDataset:
    """Opens one split of a data set; arguments and errors as `FolderDataset`.

    Raises:
        ValueError: for a kind that is not in `DATASETS`.
    """
    if kind not in DATASETS:
        raise ValueError(f"data set kind {kind!r} is unknown; choose one of {', '.join(DATASETS)}")
    return DATASETS[kind](root, split, skip_missing=skip_missing)


def detect_dataset(root: str | Path) -> str:
    """The kind that a folder holds.

    Raises:
        ValueError: when it is none, saying which files would tell.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    for kind, dataset in DATASETS.items():
        if dataset.recognises(root):
            return kind
    known = sorted({dataset.layout.pairs[0].format(split="train") for dataset in DATASETS.values()})
    raise ValueError(f"{root}: holds no data set; expected one of {', '.join(known)} in it (`cfld data --help`)")
