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
    """Folder that img_highres.zip unpacks to, with MEN/ and WOMEN/ somewhere in it; or one of images with flat
    names, as other projects prepare it."""
    lists: Path
    """Folder with train.lst, test.lst, fashion-resize-pairs-{train,test}.csv and
    fashion-resize-annotation-{train,test}.csv, also with the spelling fasion-."""

    def prepare(self) -> PrepareReport:
        from cfld.data.lists import is_image_name
        from cfld.data.preparation import place_dataset

        images = (path for path in sorted(self.images.rglob("*")) if is_image_name(path.name))
        available = {name: path for path in images if (name := _image_name(path))}
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


def _image_name(path: Path) -> str | None:
    """The flat name of an image of the data set; None for other files."""
    return flat_name(path) or (path.name if path.name.startswith(PREFIX) else None)


def _listed_name(name: str) -> str:
    return flat_name(Path(name)) or Path(name).name


def _downloaded(folder: Path) -> bool:
    from cfld.data.lists import is_image_name

    genders = any((folder / gender).is_dir() for gender in ("MEN", "WOMEN"))
    return genders or any(is_image_name(path.name) for path in folder.glob(f"{PREFIX}*"))


PREFIX: Final = "fashion"
"""Of all flat names."""
LAYOUT: Final = Layout(
    frame=(256, 176),
    images=("{split}_highres", "{split}"),
    pairs=(
        "fashion-resize-pairs-{split}.csv",
        "fasion-resize-pairs-{split}.csv",
        "fashion-pairs-{split}.csv",
        "fasion-pairs-{split}.csv",
        "{split}_pairs.txt",
        "{split}_data.json",
    ),
    annotations=(
        "fashion-resize-annotation-{split}.csv",
        "fasion-resize-annotation-{split}.csv",
        "fashion-annotation-{split}.csv",
        "fasion-annotation-{split}.csv",
    ),
    flat_name=_listed_name,
    downloaded=_downloaded,
    names=("{split}.lst",),
    prepare=PrepareDeepFashion,
)
