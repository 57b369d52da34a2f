"""Market-1501: 128 x 64 images of pedestrians, with the usual lists for pose transfer.

    root/
      train/, test/                            names such as 0002_c1s1_000451_03.jpg
      market-pairs-{train,test}.csv            header from,to
      market-annotation-{train,test}.csv       header name:keypoints_y:keypoints_x, in a frame of 128 x 64

Images of nobody in particular (names that begin with -1 and 0000) are left out. `prepare` makes this layout out of
the published folders `bounding_box_train` and `bounding_box_test`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from cfld.data.base import SPLITS
from cfld.data.folder import FolderDataset
from cfld.data.lists import Layout, is_image_name
from cfld.data.preparation import PrepareReport, listed_names, place_images, place_lists

LAYOUT: Final = Layout(
    frame=(128, 64),
    images=("{split}",),
    pairs=("market-pairs-{split}.csv",),
    annotations=("market-annotation-{split}.csv",),
    junk=("-1_", "0000_"),
)


class Market1501(FolderDataset):
    """The data set in the layout above."""

    layout: ClassVar[Layout] = LAYOUT


def prepare(images: str | Path, lists: str | Path, out: str | Path) -> PrepareReport:
    """Makes the layout above out of the published files. It can be interrupted, and run again.

    Args:
        images: the folder that holds `bounding_box_train` and `bounding_box_test`.
        lists: the folder that holds the CSV files.
        out: the folder to write. Images are hard links where possible: they then share their content with `images`.

    Raises:
        ValueError: when one of the two folders is not there, or `lists` holds no list.
    """
    images, lists, out = Path(images), Path(lists), Path(out)
    available = {split: _images(images / f"bounding_box_{split}") for split in SPLITS}
    missing_lists = place_lists(LAYOUT, lists, out)
    wanted = {split: [*dict.fromkeys([*available[split], *listed_names(LAYOUT, lists, split)])] for split in SPLITS}
    written, present, missing = place_images(wanted, available, out)
    return PrepareReport(out, written, present, missing, missing_lists)


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give the one that Market-1501-v15.09.15.zip unpacks to")
    return {
        path.name: path for path in sorted(folder.iterdir()) if is_image_name(path.name) and LAYOUT.keeps(path.name)
    }
