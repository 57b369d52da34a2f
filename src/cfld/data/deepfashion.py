"""DeepFashion, In-shop Clothes Retrieval, with the lists for pose transfer: 101,966 training and 8,570 test pairs.

    root/
      train/, test/                                the images of train.lst (48,674) and test.lst (4,038), flat names;
                                                   train_highres/, test_highres/ are read too, and preferred
      train.lst, test.lst
      fashion-resize-pairs-{train,test}.csv        header from,to; `fasion-resize-...` is read too
      fashion-resize-annotation-{train,test}.csv   header name:keypoints_y:keypoints_x, in a frame of 256 x 176

The published images are 750 x 1101 JPEGs, `img_highres/WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg`; their flat
name is `fashionWOMENBlouses_Shirtsid0000337203_3back.jpg`. `prepare` makes this layout out of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from cfld.data.base import SPLITS
from cfld.data.folder import FolderDataset
from cfld.data.lists import Layout
from cfld.data.preparation import PrepareReport, listed_names, place_images, place_lists
from cfld.poses.keypoints import DEEPFASHION_FRAME

LAYOUT: Final = Layout(
    frame=DEEPFASHION_FRAME,
    images=("{split}_highres", "{split}"),
    pairs=("fashion-resize-pairs-{split}.csv", "fasion-resize-pairs-{split}.csv"),
    annotations=("fashion-resize-annotation-{split}.csv", "fasion-resize-annotation-{split}.csv"),
    names=("{split}.lst",),
)
GENDERS: Final = ("MEN", "WOMEN")


class DeepFashion(FolderDataset):
    """The data set in the layout above."""

    layout: ClassVar[Layout] = LAYOUT


def flat_name(path: Path) -> str | None:
    """`.../WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg` -> `fashionWOMENBlouses_Shirtsid0000337203_3back.jpg`.

    None for a path that is not of this form.
    """
    parts = path.parts[-4:]
    view, separator, rest = path.name.partition("_")
    if len(parts) < 4 or parts[0] not in GENDERS or not separator or not view.isdigit():
        return None
    gender, category, identity = parts[:3]
    return f"fashion{gender}{category}{identity.replace('_', '')}{view}_{rest.replace('_', '')}"


def prepare(images: str | Path, lists: str | Path, out: str | Path) -> PrepareReport:
    """Makes the layout above out of the published files. It can be interrupted, and run again.

    Args:
        images: the unpacked `img_highres` folder, or one that holds it.
        lists: the folder that holds the `.lst` and CSV files.
        out: the folder to write. Images are hard links where possible: they then share their content with `images`.

    Raises:
        ValueError: when `images` holds no image of the published form, or `lists` no list.
    """
    images, lists, out = Path(images), Path(lists), Path(out)
    available = {name: path for path in images.rglob("*.jpg") if (name := flat_name(path))}
    if not available:
        raise ValueError(
            f"{images}: no image such as WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg in it; "
            "give the folder that img_highres.zip unpacks to"
        )
    missing_lists = place_lists(LAYOUT, lists, out)
    wanted = {split: listed_names(LAYOUT, lists, split) for split in SPLITS}
    written, present, missing = place_images(wanted, dict.fromkeys(SPLITS, available), out)
    return PrepareReport(out, written, present, missing, missing_lists)
