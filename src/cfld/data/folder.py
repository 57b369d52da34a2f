"""Data sets on disk: folders of images, a CSV of pairs and a CSV of annotations, named by a `Layout`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from cfld.data.base import PoseDataset
from cfld.data.layout import Layout, check_split
from cfld.data.lists import is_image_name, read_annotations, read_names, read_pairs
from cfld.data.shards import ShardedImages, index_file
from cfld.data.transforms import read_image, to_tensor
from cfld.digests import digest, file_digest
from cfld.poses.keypoints import Keypoints

logger = logging.getLogger(__name__)


class LooseImages:
    """The images of a split as files of a folder.

    Attributes:
        names: of the files.
        place: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.place = folder
        self.names = {path.name for path in folder.iterdir() if is_image_name(path.name)}

    def path(self, name: str) -> Path:
        return self.place / name

    def read(self, name: str) -> Image.Image:
        return read_image(self.path(name))

    def digest(self, name: str) -> str:
        return file_digest(self.path(name))


def find_images(root: Path, layout: Layout, split: str) -> LooseImages | ShardedImages | None:
    """The images of a split, in a folder or in shards; None if there are neither.

    Raises:
        ValueError: if a shard is missing or cut short.
    """
    if (folder := layout.find(root, layout.images, split)) is not None:
        return LooseImages(folder)
    return ShardedImages(root, split) if index_file(root, split).exists() else None


class FolderDataset(PoseDataset):
    """A `PoseDataset` on disk. Lists are read and checked at once, images when they are accessed.

    Attributes:
        annotations: image name -> pose.
        missing_annotations: names in the pairs without a pose; empty unless `skip_missing`.
        missing_images: names in the lists without a file; empty unless `skip_missing`.
    """

    def __init__(self, root: str | Path, split: str, layout: Layout, *, skip_missing: bool = False) -> None:
        """
        Args:
            root: folder with the lists and the image folders.
            split: "train" or "test".
            layout: names of the files.
            skip_missing: skip pairs without annotation or image, with a warning, instead of raising.

        Raises:
            ValueError: if a list is absent or malformed, images of the lists have no annotation or file, or no pair
                is left.
        """
        self.root, self.split, self.layout, self.frame = Path(root), check_split(split), layout, layout.frame
        images = find_images(self.root, layout, split)
        if images is None:
            raise self._absent(layout.images)
        self._images = images
        pairs_file, annotation_file = self._locate(self.layout.pairs), self._locate(self.layout.annotations)
        names = self._listed()
        pairs = [pair for pair in read_pairs(pairs_file) if all(map(self.layout.keeps, pair))]
        paired = dict.fromkeys(name for pair in pairs for name in pair)
        self.annotations = read_annotations(annotation_file, self.frame)
        self.missing_annotations = tuple(name for name in paired if name not in self.annotations)
        self.missing_images = tuple(name for name in paired | names if name not in images.names)
        self._report(self.missing_annotations, f"have no row in {annotation_file.name}", skip_missing)
        self._report(self.missing_images, f"are not in {images.place}", skip_missing)
        lost = {*self.missing_annotations, *self.missing_images}
        self.pairs = tuple(pair for pair in pairs if lost.isdisjoint(pair))
        self.names = tuple(name for name in names if name in images.names)
        if not self.pairs:
            raise ValueError(
                f"{pairs_file}: none of its {len(pairs)} pairs is usable; do the images and the lists belong together?"
            )
        self._check_aspect_ratio()

    def image(self, name: str) -> Tensor:
        return to_tensor(self._known(name).read(name))

    def keypoints(self, name: str) -> Keypoints:
        if name not in self.annotations:
            raise ValueError(f"{self.root}: no annotation of {name!r} in the {self.split} split")
        return self.annotations[name]

    def digest(self, name: str) -> str:
        pose = self.annotations.get(name)
        return digest(self._known(name).digest(name), *(() if pose is None else (pose.yx.tobytes(), str(pose.frame))))

    def path(self, name: str) -> Path:
        """The file of an image.

        Raises:
            ValueError: for an unknown name, or if the images are in shards.
        """
        return self._known(name).path(name)

    def _known(self, name: str) -> LooseImages | ShardedImages:
        if name not in self._images.names:
            raise ValueError(f"{self._images.place}: no image {name!r}")
        return self._images

    def _locate(self, names: tuple[str, ...]) -> Path:
        path = self.layout.find(self.root, names, self.split)
        if path is None:
            raise self._absent(names)
        return path

    def _absent(self, names: tuple[str, ...]) -> ValueError:
        if not self.root.is_dir():
            return ValueError(f"{self.root}: no such folder")
        first, *others = (name.format(split=self.split) for name in names)
        also = f" (nor {', '.join(others)})" if others else ""
        return ValueError(f"{self.root}: no {first}{also} in it; see `cfld data --help` on how to prepare a data set")

    def _listed(self) -> dict[str, None]:
        """Names in the `.lst` file, or else of the images in the folder, without duplicates."""
        path = self.layout.find(self.root, self.layout.names, self.split)
        return dict.fromkeys(filter(self.layout.keeps, read_names(path) if path else sorted(self._images.names)))

    def _report(self, names: Sequence[str], what: str, skip: bool) -> None:
        if not names:
            return
        some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        message = f"{self.root}: {len(names)} images of the {self.split} lists {what} ({some})"
        if not skip:
            raise ValueError(f"{message}; add them, or skip their pairs with skip_missing=True")
        logger.warning("%s; skipped", message)

    def _check_aspect_ratio(self) -> None:
        """Warns if the first image was not cropped like the frame, so that the keypoints do not fit."""
        height, width = self.image(self.pairs[0][0]).shape[1:]
        if abs(width / height / (self.frame[1] / self.frame[0]) - 1) > 0.1:
            shapes = f"{height} x {width} images, but keypoints in a frame of {self.frame[0]} x {self.frame[1]}"
            logger.warning("%s: %s; were the images cropped differently?", self._images.place, shapes)
