"""DeepFashion, In-shop Clothes Retrieval, with the lists for pose transfer: 101,966 training and 8,570 test pairs.

    root/
      train/, test/                                the images of train.lst (48,674) and test.lst (4,038), flat names;
                                                   train_highres/, test_highres/ are also accepted, and preferred
      train.lst, test.lst
      fashion-resize-pairs-{train,test}.csv        header from,to; `fasion-resize-...` is also accepted
      fashion-resize-annotation-{train,test}.csv   header name:keypoints_y:keypoints_x, in a frame of 256 x 176

The published images are 750 x 1101 JPEGs, `img_highres/WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg`; their flat
name is `fashionWOMENBlouses_Shirtsid0000337203_3back.jpg`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cfld.data.layout import SPLITS, Layout, Preparation, PrepareReport


@dataclass(frozen=True, kw_only=True)
class PrepareDeepFashion(Preparation):
    """Prepare DeepFashion from img_highres and the lists for pose transfer. Images are hard-linked where possible."""

    images: Path
    """Folder that img_highres.zip unpacks to, with MEN/ and WOMEN/ somewhere in it."""
    lists: Path
    """Folder with train.lst, test.lst, fashion-resize-pairs-{train,test}.csv and
    fashion-resize-annotation-{train,test}.csv, also with the spelling fasion-."""

    def prepare(self) -> PrepareReport:
        from cfld.data.preparation import place_dataset

        available = {name: path for path in self.images.rglob("*.jpg") if (name := flat_name(path))}
        if not available:
            raise ValueError(
                f"{self.images}: no image such as WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg in it; "
                "give the folder that img_highres.zip unpacks to"
            )
        return place_dataset(LAYOUT, dict.fromkeys(SPLITS, available), self.lists, self.out)


def flat_name(path: Path) -> str | None:
    """`.../WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg` -> `fashionWOMENBlouses_Shirtsid0000337203_3back.jpg`.

    None for other paths.
    """
    parts = path.parts[-4:]
    view, separator, rest = path.name.partition("_")
    if len(parts) < 4 or parts[0] not in ("MEN", "WOMEN") or not separator or not view.isdigit():
        return None
    gender, category, identity = parts[:3]
    return f"fashion{gender}{category}{identity.replace('_', '')}{view}_{rest.replace('_', '')}"


LAYOUT: Final = Layout(
    frame=(256, 176),
    images=("{split}_highres", "{split}"),
    pairs=("fashion-resize-pairs-{split}.csv", "fasion-resize-pairs-{split}.csv"),
    annotations=("fashion-resize-annotation-{split}.csv", "fasion-resize-annotation-{split}.csv"),
    names=("{split}.lst",),
    prepare=PrepareDeepFashion,
)
