"""Names of images in re-identification: identity and camera, as Market-1501 and DukeMTMC-reID write them.

0002_c1s1_000451_03.jpg      Market-1501: identity 2, camera 1, sequence 1, frame 451, box 3
0001_c2_f0046182.jpg         DukeMTMC-reID: identity 1, camera 2, frame 46182

Identity -1 is junk, a box without a person or with a part of one, and 0000 a distractor, a person who is in no query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cfld.data.lists import is_image_name
from cfld.types import DISTRACTOR, JUNK

GENERATED: Final = "9"
"""First digit of a generated image's frame; that of an image of a camera is smaller in both data sets."""
_NAME: Final = re.compile(r"(-1|\d{4})_c(\d+)(s\d+_|_f)(\d)(\d{5,6})(_\d+)?\.\w+")


@dataclass(frozen=True)
class ReidName:
    """What the name of an image says.

    Attributes:
        identity: of the person, from 1; or `JUNK`, or `DISTRACTOR`.
        camera: its number.
        generated: whether the name is one of `generated_name`.
    """

    identity: int
    camera: int
    generated: bool = False

    @property
    def is_person(self) -> bool:
        """Whether the image shows a person of known identity."""
        return self.identity not in (JUNK, DISTRACTOR)


def parse_name(name: str) -> ReidName:
    """Reads the name of an image.

    Raises:
        ValueError: for any other form.
    """
    found = _match(name)
    return ReidName(int(found[1]), int(found[2]), found[4] == GENERATED)


def generated_name(source: str, number: int) -> str:
    """The name of an image generated from `source`: of the same form, identity and camera, so that readers take it.

    Args:
        number: of the image among those of its identity, below 100,000.
    """
    identity, camera, mark, _, frame, box = _match(source).groups()
    return f"{identity}_c{camera}{mark}{GENERATED}{number:0{len(frame)}d}{'_00' if box else ''}.jpg"


def read_reid_folder(folder: Path) -> dict[Path, ReidName]:
    """The images of a folder such as `bounding_box_train`, in the order of their names.

    Raises:
        ValueError: if there is no such folder, no image in it, or one whose name has another form.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected that of Market-1501 or DukeMTMC-reID")
    files = sorted(path for path in folder.iterdir() if is_image_name(path.name))
    if not files:
        raise ValueError(f"{folder}: no image in this folder")
    return {file: parse_name(file.name) for file in files}


def _match(name: str) -> re.Match[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name}: no identity and camera in this name; expected the form of 0002_c1s1_000451_03.jpg")
    return found
