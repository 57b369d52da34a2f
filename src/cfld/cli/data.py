"""`cfld data`: prepare a data set, or describe one.

cfld data mannequin --out data/mannequin --identities 100 --poses 8
cfld data deepfashion --images img_highres --lists lists --out data/deepfashion
cfld data market1501 --images Market-1501-v15.09.15 --lists lists --out data/market1501
cfld data info data/mannequin
cfld data check downloads
cfld data shards --data data/mannequin --out data/shards
"""

from __future__ import annotations

import functools
import json
import operator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, subcommand

from cfld.claims import Output
from cfld.cli.options import Json
from cfld.data.layout import SPLITS, Preparation
from cfld.data.registry import DATASETS, detect_dataset, open_dataset
from cfld.ranges import Range

if TYPE_CHECKING:
    from cfld.data.folder import FolderDataset


@dataclass(frozen=True, kw_only=True)
class Info:
    """Show the kind and size of a data set, and what is missing in it."""

    root: Positional[Path]
    """Folder of the data set."""
    json: Json = False

    def run(self) -> None:
        kind = detect_dataset(self.root)
        layout = DATASETS[kind]
        found = [split for split in SPLITS if layout.find(self.root, layout.pairs, split)]
        datasets = {split: open_dataset(kind, self.root, split, skip_missing=True) for split in found or SPLITS}
        splits = {split: _describe(dataset) for split, dataset in datasets.items()}
        if self.json:
            print(json.dumps({"kind": kind, "root": str(self.root), "splits": splits}, indent=2))
            return
        print(f"{self.root}: {kind}")
        for split, facts in splits.items():
            print(f"  {split}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()))


@dataclass(frozen=True, kw_only=True)
class CheckFolder:
    """Say what a folder holds of a data set, prepared or as downloaded, what is missing, and which command is next."""

    root: Positional[Path]
    """Folder of a data set, or of downloads."""
    json: Json = False

    def run(self) -> None:
        from cfld.data.check import check_folder

        check = check_folder(self.root)
        print(json.dumps(asdict(check), indent=2) if self.json else f"{self.root}: {check}")


@dataclass(frozen=True, kw_only=True)
class Shards:
    """Pack a data set into WebDataset shards, large tar files, which training and generation read like loose files.

    Scoring reads files: it needs the data set itself.
    """

    data: Path
    """Folder of the data set."""
    out: Annotated[Path, Output("whole folder")]
    """Folder to write."""
    shard_size: Annotated[int, Range(1, 100_000)] = 256
    """Size of a shard in megabytes, from which another one begins."""

    def run(self) -> None:
        from cfld.data.shards import write_shards

        shards = write_shards(self.data, self.out, self.shard_size * 2**20)
        print(f"{len(shards)} shards in {self.out}")


def _describe(dataset: FolderDataset) -> dict[str, Any]:
    """The numbers of one split."""
    visible = [pose.visible.mean() for pose in dataset.annotations.values()]
    return {
        "pairs": len(dataset),
        "images": len(dataset.names),
        "image_size": list(dataset.image(dataset.names[0]).shape[1:]),
        "keypoint_frame": list(dataset.frame),
        "annotated": len(visible),
        "without_any_joint": sum(not share for share in visible),
        "joints_seen_percent": round(100 * float(sum(visible)) / max(1, len(visible)), 1),
        "images_missing": len(dataset.missing_images),
        "annotations_missing": len(dataset.missing_annotations),
    }


def _command(preparation: type[Preparation]) -> type[Preparation]:
    """The preparation with a `run` that prints its report."""

    def run(self: Preparation) -> None:
        print(self.prepare())
        print(self.out)

    return type(preparation.__name__, (preparation,), {"run": run, "__doc__": preparation.__doc__})


_COMMANDS: Any = [Annotated[_command(layout.prepare), subcommand(kind)] for kind, layout in DATASETS.items()]
Data: Any = Annotated[
    functools.reduce(operator.or_, [*_COMMANDS, Info, Shards, Annotated[CheckFolder, subcommand("check")]]),
    subcommand("data", description="Prepare a data set, or describe one."),
]
