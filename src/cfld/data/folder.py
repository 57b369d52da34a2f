"""A data set in a folder: images, a CSV of pairs, a CSV of annotations. The kinds differ in their `Layout` only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from cfld.data.base import SPLITS, check_split, read_pair
from cfld.data.lists import Layout, is_image_name, read_annotations, read_names, read_pairs
from cfld.data.transforms import read_image, to_tensor
from cfld.poses.keypoints import Keypoints
from cfld.types import PosePair

logger = logging.getLogger(__name__)


class FolderDataset:
    """A `PoseDataset` on disk. Lists are read and checked at once, images when they are asked for.

    Attributes:
        annotations: image name -> pose.
        missing_annotations: names in the pairs that have no pose; empty unless `skip_missing`.
        missing_images: names in the lists that have no file; empty unless `skip_missing`.
    """

    layout: ClassVar[Layout]

    def __init__(self, root: str | Path, split: str, *, skip_missing: bool = False) -> None:
        """
        Args:
            root: the folder that holds the lists and the folders of images.
            split: "train" or "test".
            skip_missing: leave out pairs without annotation or image, and say so in the log, instead of raising.

        Raises:
            ValueError: naming the file, for lists that are absent or malformed; naming the first few, for images
                of the lists without annotation or file; when no pair is left.
        """
        self.root, self.split, self.frame = Path(root), check_split(split), self.layout.frame
        self._folder = self._locate(self.layout.images)
        pairs_file, annotation_file = self._locate(self.layout.pairs), self._locate(self.layout.annotations)
        self._files = {path.name for path in self._folder.iterdir() if is_image_name(path.name)}
        names = self._listed()
        pairs = [pair for pair in read_pairs(pairs_file) if all(map(self.layout.keeps, pair))]
        paired = dict.fromkeys(name for pair in pairs for name in pair)
        self.annotations = read_annotations(annotation_file, self.frame)
        self.missing_annotations = tuple(name for name in paired if name not in self.annotations)
        self.missing_images = tuple(name for name in paired | names if name not in self._files)
        self._report(self.missing_annotations, f"have no row in {annotation_file.name}", skip_missing)
        self._report(self.missing_images, f"are not in {self._folder}", skip_missing)
        lost = {*self.missing_annotations, *self.missing_images}
        self.pairs: Sequence[tuple[str, str]] = tuple(pair for pair in pairs if lost.isdisjoint(pair))
        self.names: Sequence[str] = tuple(name for name in names if name in self._files)
        if not self.pairs:
            raise ValueError(
                f"{pairs_file}: no usable pair of {len(pairs)}; do the images and the lists belong together?"
            )
        self._warn_of_other_shape()

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether `root` holds this kind of data set."""
        return any(cls.layout.find(root, cls.layout.pairs, split) for split in SPLITS)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PosePair:
        return read_pair(self, index)

    def image(self, name: str) -> Tensor:
        """uint8 (3, H, W), RGB."""
        return to_tensor(read_image(self.path(name)))

    def keypoints(self, name: str) -> Keypoints:
        """The pose in `frame`."""
        if name not in self.annotations:
            raise ValueError(f"{self.root}: no annotation of {name!r} in the {self.split} split")
        return self.annotations[name]

    def path(self, name: str) -> Path:
        """The file of an image.

        Raises:
            ValueError: when the folder has none of that name.
        """
        if name not in self._files:
            raise ValueError(f"{self._folder}: no image {name!r}")
        return self._folder / name

    def _locate(self, spellings: tuple[str, ...]) -> Path:
        if not self.root.is_dir():
            raise ValueError(f"{self.root}: no such folder")
        path = self.layout.find(self.root, spellings, self.split)
        if path is None:
            first, *others = (spelling.format(split=self.split) for spelling in spellings)
            also = f" (nor {', '.join(others)})" if others else ""
            raise ValueError(f"{self.root}: no {first}{also} in it; `cfld data --help` says how to prepare a data set")
        return path

    def _listed(self) -> dict[str, None]:
        """The names of the `.lst` file, or without one the images of the folder; each once, in order."""
        path = self.layout.find(self.root, self.layout.names, self.split)
        return dict.fromkeys(filter(self.layout.keeps, read_names(path) if path else sorted(self._files)))

    def _report(self, names: Sequence[str], what: str, skip: bool) -> None:
        if not names:
            return
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        message = f"{self.root}: {len(names)} images of the {self.split} lists {what} ({some})"
        if not skip:
            raise ValueError(f"{message}; add them, or leave their pairs out with skip_missing=True")
        logger.warning("%s; left out", message)

    def _warn_of_other_shape(self) -> None:
        """Keypoints mean nothing on an image that was cropped differently; the first one tells."""
        height, width = self.image(self.pairs[0][0]).shape[1:]
        if abs(width / height / (self.frame[1] / self.frame[0]) - 1) > 0.1:
            shapes = f"{height} x {width} images, but keypoints in a frame of {self.frame[0]} x {self.frame[1]}"
            logger.warning("%s: %s; were the images cropped otherwise?", self._folder, shapes)
