"""What a data set on disk consists of, and how it is prepared. Imports nothing heavy: `cfld data --help` reads it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cfld.claims import Output

SPLITS: Final = ("train", "test")


def check_split(split: str) -> str:
    """Returns `split`; raises ValueError if it is neither "train" nor "test"."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; choose one of {', '.join(SPLITS)}")
    return split


@dataclass(frozen=True)
class PrepareReport:
    """Result of a preparation.

    Attributes:
        written, present: numbers of images written by this run, and by earlier ones.
        again: number of those that this run replaced, and why; empty for none.
        missing_images: names in the lists for which there is no image, or that are too long for a file.
        missing_lists: preferred names of the text files that were not found.
    """

    written: int
    present: int
    missing_images: tuple[str, ...] = ()
    missing_lists: tuple[str, ...] = ()
    again: str = ""

    def __str__(self) -> str:
        lines = [f"{self.written} images written, {self.present} already present"]
        if self.again:
            lines.append(f"written again: {self.again}")
        for what, names in (("images of the lists", self.missing_images), ("lists", self.missing_lists)):
            if names:
                some = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
                lines.append(f"MISSING: {len(names)} {what}: {some}")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Preparation(ABC):
    """Writes a data set folder. The fields of a subclass are the options of `cfld data KIND`."""

    out: Annotated[Path, Output(entries=(*SPLITS, "*.lst", "*.csv"))]
    """Folder to write. Repeat the command to complete an interrupted run."""

    @abstractmethod
    def prepare(self) -> PrepareReport:
        """Writes the folder, or completes it.

        Raises:
            ValueError: naming the folder, if it does not hold what is needed.
        """


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A kind of data set: the names of its files relative to its folder, where `{split}` is "train" or "test".

    Attributes:
        frame: (height, width) that the annotations refer to.
        images, pairs, annotations: accepted names of the image folder and of the two CSV files, preferred ones first.
        names: accepted names of the `.lst` file; empty = the images of the folder are the data set.
        junk: prefixes of images to ignore.
        flat_name: the name in the image folders of an image that a list calls otherwise, for example by its path.
        downloaded: whether a folder holds its images as they are downloaded; None = it is not prepared from downloads.
        marker: file that identifies the kind; None = a pairs file does.
        prepare: writes such a folder.
    """

    frame: tuple[int, int]
    images: tuple[str, ...]
    pairs: tuple[str, ...]
    annotations: tuple[str, ...]
    names: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()
    downloaded: Callable[[Path], bool] | None = None
    marker: str | None = None
    flat_name: Callable[[str], str] = os.path.basename
    prepare: type[Preparation]

    def recognises(self, root: Path) -> bool:
        """Whether `root` holds a data set of this kind."""
        if self.marker is not None:
            return (root / self.marker).exists()
        return any(self.find(root, self.pairs, split) for split in SPLITS)

    def keeps(self, name: str) -> bool:
        """Whether an image belongs to the data set."""
        return not name.startswith(self.junk)

    def find(self, root: Path, names: tuple[str, ...], split: str) -> Path | None:
        """The first of several accepted names that exists in `root`."""
        candidates = (root / name.format(split=split) for name in names)
        return next((path for path in candidates if path.exists()), None)

    def lists(self) -> tuple[tuple[str, ...], ...]:
        """The accepted names of each text file of a split."""
        return tuple(names for names in (self.names, self.pairs, self.annotations) if names)
