"""`cfld data`: make a data set, or look at one.

cfld data mannequin --out data/mannequin --identities 100 --poses 8
cfld data deepfashion --images img_highres --lists lists --out data/deepfashion
cfld data market1501 --images Market-1501-v15.09.15 --lists lists --out data/market1501
cfld data info data/mannequin
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, subcommand

from cfld.cli.options import Json

if TYPE_CHECKING:
    from cfld.data.folder import FolderDataset


@dataclass(frozen=True, kw_only=True)
class Mannequin:
    """Draw people, and write them in the DeepFashion layout: needs no download. Run again, it goes on."""

    out: Path
    """The folder to write; a new one, or one begun with the same numbers."""
    identities: int = 100
    """How many people; one fifth of them, at least one, are for testing."""
    poses: int = 8
    """Images of each, from 2 to 99."""
    seed: int = 0
    """Another seed is other people."""
    size: tuple[int, int] = (256, 176)
    """Height and width of the images, in the shape 256:176."""

    def run(self) -> None:
        from cfld.mannequin.dataset import write_mannequin

        print(write_mannequin(self.out, identities=self.identities, poses=self.poses, seed=self.seed, size=self.size))
        print(self.out)


@dataclass(frozen=True, kw_only=True)
class DeepFashion:
    """Prepare DeepFashion from img_highres and the lists for pose transfer. Run again, it goes on."""

    images: Path
    """The folder that img_highres.zip unpacks to, with MEN/ and WOMEN/ somewhere in it."""
    lists: Path
    """The folder with train.lst, test.lst, fashion-resize-pairs-{train,test}.csv and
    fashion-resize-annotation-{train,test}.csv; the spelling fasion- will do too."""
    out: Path
    """The folder to write; images are hard links where possible."""

    def run(self) -> None:
        from cfld.data.deepfashion import prepare

        print(prepare(self.images, self.lists, self.out))
        print(self.out)


@dataclass(frozen=True, kw_only=True)
class Market1501:
    """Prepare Market-1501 from its two folders and the lists for pose transfer. Run again, it goes on."""

    images: Path
    """The folder with bounding_box_train/ and bounding_box_test/."""
    lists: Path
    """The folder with market-pairs-{train,test}.csv and market-annotation-{train,test}.csv."""
    out: Path
    """The folder to write; images are hard links where possible."""

    def run(self) -> None:
        from cfld.data.market1501 import prepare

        print(prepare(self.images, self.lists, self.out))
        print(self.out)


@dataclass(frozen=True, kw_only=True)
class Info:
    """Say which data set a folder holds, how large it is, and what is missing in it."""

    root: Positional[Path]
    """The folder."""
    json: Json = False

    def run(self) -> None:
        from cfld.data.base import SPLITS
        from cfld.data.registry import DATASETS, detect_dataset

        kind = detect_dataset(self.root)
        dataset = DATASETS[kind]
        there = [split for split in SPLITS if dataset.layout.find(self.root, dataset.layout.pairs, split)]
        splits = {split: _describe(dataset(self.root, split, skip_missing=True)) for split in there or SPLITS}
        if self.json:
            print(json.dumps({"kind": kind, "root": str(self.root), "splits": splits}, indent=2))
            return
        print(f"{self.root}: {kind}")
        for split, facts in splits.items():
            print(f"  {split}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items()))


Data = Annotated[
    Annotated[Mannequin, subcommand("mannequin")]
    | Annotated[DeepFashion, subcommand("deepfashion")]
    | Annotated[Market1501, subcommand("market1501")]
    | Annotated[Info, subcommand("info")],
    subcommand("data", description="Make a data set, or look at one."),
]
"""What `cfld data` takes; one member of the top level's union."""


def _describe(dataset: FolderDataset) -> dict[str, Any]:
    """The numbers of one split."""
    seen = [pose.visible.mean() for pose in dataset.annotations.values()]
    return {
        "pairs": len(dataset),
        "images": len(dataset.names),
        "image_size": list(dataset.image(dataset.names[0]).shape[1:]),
        "keypoint_frame": list(dataset.frame),
        "annotated": len(seen),
        "without_any_joint": sum(not share for share in seen),
        "joints_seen_percent": round(100 * float(sum(seen)) / max(1, len(seen)), 1),
        "images_missing": len(dataset.missing_images),
        "annotations_missing": len(dataset.missing_annotations),
    }
