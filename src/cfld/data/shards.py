"""Data sets as WebDataset shards: few large tar files in place of many small ones.

    out/
      train-000000.tar, ...    each image as it is, and its pose as JSON beside it where it is known
      train-shards.csv         header name,shard,offset,bytes: where in which shard an image lies
      the lists of the data set, unchanged

Any image is read by its offset, so order, shuffling, resuming and the shares of workers and processes are those of
loose files. Programs that stream WebDataset read the shards from front to back.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image
from tqdm import tqdm

from cfld.data.layout import SPLITS
from cfld.data.lists import write_names
from cfld.data.registry import DATASETS, detect_dataset, open_dataset
from cfld.data.transforms import read_image
from cfld.digests import content_digest
from cfld.files import whole_folder
from cfld.poses.keypoints import Keypoints
from cfld.readers.text import read_table

COLUMNS: Final = ("name", "shard", "offset", "bytes")
BLOCK: Final = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Place:
    """Where an image lies: `length` bytes from `offset` of a shard."""

    shard: Path
    offset: int
    length: int


class ShardedImages:
    """The images of a split in shards.

    Attributes:
        names: of the images, with their places.
        place: the index.
    """

    def __init__(self, root: Path, split: str) -> None:
        """
        Raises:
            ValueError: if the index is malformed, or a shard is missing or cut short.
        """
        self.place = index_file(root, split)
        self.names = {row["name"]: _place(self.place, row) for row in read_table(self.place, COLUMNS)}
        ends: dict[Path, int] = {}
        for one in self.names.values():
            ends[one.shard] = max(ends.get(one.shard, 0), one.offset + one.length)
        for shard, end in ends.items():
            found = shard.stat().st_size if shard.is_file() else None
            if found is None or found < end:
                problem = "no such file" if found is None else f"is cut short, to {found:,} of at least {end:,} bytes"
                raise ValueError(f"{shard}: {problem}; pack the data set again with cfld data shards")

    def path(self, name: str) -> Path:
        """Raises ValueError: an image in a shard is no file."""
        raise ValueError(f"{self.place}: {name} is packed in a shard; name the data set that it was packed from")

    def read(self, name: str) -> Image.Image:
        return read_image(f"{self.names[name].shard}, {name}", self._content(name))

    def digest(self, name: str) -> str:
        """That of the loose file."""
        return content_digest(self._content(name))

    def _content(self, name: str) -> bytes:
        place = self.names[name]
        with place.shard.open("rb", buffering=0) as file:
            file.seek(place.offset)
            return file.read(place.length)


def index_file(root: Path, split: str) -> Path:
    return root / f"{split}-shards.csv"


def write_shards(data: Path, out: Path, shard_bytes: int) -> list[Path]:
    """Packs a data set folder into a new folder; equal data sets give equal shards.

    Args:
        shard_bytes: from which a shard is followed by another one.

    Returns:
        the shards, in `out`.

    Raises:
        ValueError: if there is no data set, an image of its lists is missing, the name of one has more than one dot, at
            the first of which WebDataset splits it, or `out` is not empty.
    """
    layout = DATASETS[detect_dataset(data)]
    with whole_folder(out) as folder:
        for split in filter(lambda split: layout.find(data, layout.pairs, split), SPLITS):
            dataset = open_dataset(detect_dataset(data), data, split)
            names = dict.fromkeys([*dataset.names, *(name for pair in dataset.pairs for name in pair)])
            samples = ((dataset.path(name), dataset.annotations.get(name)) for name in tqdm(names, split, disable=None))
            write_names(index_file(folder, split), [",".join(COLUMNS), *_pack(samples, folder / split, shard_bytes)])
            for files in layout.lists():
                if (file := layout.find(data, files, split)) is not None:
                    shutil.copyfile(file, folder / file.name)
        if layout.marker is not None:
            shutil.copyfile(data / layout.marker, folder / layout.marker)
    return sorted(out.glob("*.tar"))


def _pack(samples: Iterable[tuple[Path, Keypoints | None]], stem: Path, shard_bytes: int) -> Iterator[str]:
    """Writes shards `stem-000000.tar` and so on; yields the rows of their index."""
    remaining = iter(samples)
    sample = next(remaining, None)
    number = 0
    while sample is not None:
        shard = stem.with_name(f"{stem.name}-{number:06d}.tar")
        with tarfile.open(shard, "w") as tar:
            while sample is not None and tar.offset < shard_bytes:
                file, pose = sample
                if file.name.count(".") > 1:
                    raise ValueError(f"{file}: a name with two dots, which WebDataset splits at the first; rename it")
                content = file.read_bytes()
                yield f"{file.name},{shard.name},{_add(tar, file.name, content)},{len(content)}"
                if pose is not None:
                    _add(tar, f"{file.stem}.json", pose.to_json().encode())
                sample = next(remaining, None)
        number += 1


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> int:
    """Adds a file without times and owners; returns the offset of its content."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
    return tar.offset - -(-len(content) // BLOCK) * BLOCK


def _place(index: Path, row: dict[str, str]) -> Place:
    shard, offset, length = row["shard"], row["offset"], row["bytes"]
    if Path(shard).name != shard or not (offset.isdecimal() and length.isdecimal()):
        raise ValueError(f"{index}: no place in a shard of this folder: {','.join(row.values())[:80]}")
    return Place(index.parent / shard, int(offset), int(length))
