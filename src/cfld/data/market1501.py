"""Market-1501: 128 x 64 images of pedestrians, with the usual lists for pose transfer.

    root/
      train/, test/                            names such as 0002_c1s1_000451_03.jpg; the folders of the download,
                                               bounding_box_train/ and bounding_box_test/, are also accepted
      market-pairs-{train,test}.csv            header from,to
      market-annotation-{train,test}.csv       header name:keypoints_y:keypoints_x, in a frame of 128 x 64

Distractors (names that begin with -1 or 0000) are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cfld.data.layout import SPLITS, Layout, Preparation, PrepareReport


@dataclass(frozen=True, kw_only=True)
class PrepareMarket1501(Preparation):
    """Prepare Market-1501 from its two folders and the lists for pose transfer. Images are hard-linked if possible."""

    images: Path
    """Folder that Market-1501-v15.09.15.zip unpacks to, with bounding_box_train/ and bounding_box_test/."""
    lists: Path
    """Folder with market-pairs-{train,test}.csv and market-annotation-{train,test}.csv."""

    def prepare(self) -> PrepareReport:
        from cfld.data.lists import is_image_name
        from cfld.data.preparation import place_dataset

        available: dict[str, dict[str, Path]] = {}
        for split in SPLITS:
            folder = self.images / f"bounding_box_{split}"
            if not folder.is_dir():
                raise ValueError(f"{folder}: no such folder; give the one that Market-1501-v15.09.15.zip unpacks to")
            available[split] = {path.name: path for path in sorted(folder.iterdir()) if is_image_name(path.name)}
        return place_dataset(LAYOUT, available, self.lists, self.out)


def _downloaded(folder: Path) -> bool:
    return (folder / "bounding_box_train").is_dir()


LAYOUT: Final = Layout(
    frame=(128, 64),
    images=("{split}", "bounding_box_{split}"),
    pairs=("market-pairs-{split}.csv",),
    annotations=("market-annotation-{split}.csv",),
    junk=("-1_", "0000_"),
    downloaded=_downloaded,
    prepare=PrepareMarket1501,
)
