"""The pairs that a study can ask about, and their images: from a data set, or from folders of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cfld.contact_sheet import draw_pose
from cfld.data.lists import is_image_name
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.transforms import read_image, to_pil
from cfld.evaluation.filename_patterns import PRESETS
from cfld.poses.formats import load_keypoints

ImageReader = Callable[[str], Image.Image]
Names = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class PairImages:
    """Pairs, and how to read their images by name.

    Attributes:
        pairs: (source, target) names, as generated images are named after them.
        usable: the pairs whose target pose has a visible joint; only these are asked about.
        source, truth: name -> source image, ground-truth image.
        pose: target name -> image of its pose; None if poses are unknown.
        size: (height, width) of the study's images.
    """

    pairs: Names
    usable: Names
    source: ImageReader
    truth: ImageReader
    pose: ImageReader | None
    size: tuple[int, int]


def pairs_of_dataset(root: Path, split: str, limit: int | None, size: tuple[int, int] | None) -> PairImages:
    """The pairs of a data set.

    Args:
        limit: use the first pairs only, as `cfld generate --limit` does.
        size: (height, width); default: the frame of the data set's keypoints.
    """
    dataset = open_dataset(detect_dataset(root), root, split)
    pairs = list(dict.fromkeys(dataset.pairs))[:limit]
    image_size = size or dataset.frame

    def real(name: str) -> Image.Image:
        return to_pil(dataset.image(name))

    return PairImages(
        pairs=pairs,
        usable=[pair for pair in pairs if dataset.keypoints(pair[1]).visible.any()],
        source=real,
        truth=real,
        pose=lambda name: draw_pose(dataset.keypoints(name), image_size),
        size=image_size,
    )


def pairs_of_folders(
    sources: Path, real: Path, poses: Path | None, results: Path, pattern: str, size: tuple[int, int] | None
) -> PairImages:
    """The pairs found in the names of generated images.

    Args:
        sources, real: folders of source images and of ground-truth images.
        poses: folder of pose images or keypoint JSON files, named as the ground-truth images.
        results: folder of one method's generated images.
        pattern: how these are named, with {source} and {target}.
        size: (height, width); default: the size of the first ground-truth image.

    Raises:
        ValueError: naming the folder without a matching file.
    """
    source_files, real_files = _by_stem(sources, is_image_name), _by_stem(real, is_image_name)
    named = sorted(_pairs_in_names(results, pattern, set(source_files), set(real_files)))
    if not named:
        raise ValueError(f"{results}: no file is named {pattern} after images of {sources} and {real}")
    pairs = [(source_files[source].name, real_files[target].name) for source, target in named]
    first = read_image(real / pairs[0][1])
    image_size = size or (first.height, first.width)
    return PairImages(
        pairs=pairs,
        usable=pairs,
        source=lambda name: read_image(sources / name),
        truth=lambda name: read_image(real / name),
        pose=None if poses is None else _pose_reader(poses, [target for _, target in named], image_size),
        size=image_size,
    )


def _pose_reader(folder: Path, targets: Sequence[str], size: tuple[int, int]) -> ImageReader:
    """Reads pose images or keypoint files named as the targets, apart from the suffix."""
    files = _by_stem(folder, lambda name: is_image_name(name) or name.endswith(".json"))
    if missing := sorted(set(targets) - set(files)):
        raise ValueError(f"{folder}: no pose for {', '.join(missing)}")

    def read(target: str) -> Image.Image:
        path = files[Path(target).stem]
        return draw_pose(load_keypoints(path), size) if path.suffix == ".json" else read_image(path)

    return read


def _by_stem(folder: Path, wanted: Callable[[str], bool]) -> dict[str, Path]:
    """Maps the wanted files' stems to their paths."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files = [path for path in sorted(folder.iterdir()) if wanted(path.name)]
    by_stem = {path.stem: path for path in files}
    if not files:
        raise ValueError(f"{folder}: contains no images")
    if len(by_stem) < len(files):
        twice = next(path.name for path in files if by_stem[path.stem] != path)
        raise ValueError(f"{folder}: {twice} and another file differ in their suffix only; remove one of them")
    return by_stem


def _pairs_in_names(folder: Path, pattern: str, sources: set[str], targets: set[str]) -> Iterator[tuple[str, str]]:
    """Yields (source, target) stems; tries every occurrence of the text between the two in a file name."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    pattern = PRESETS.get(pattern, pattern)
    head, _, rest = pattern.partition("{source}")
    between, _, tail = rest.partition("{target}")
    if pattern != f"{head}{{source}}{between}{{target}}{tail}" or not between:
        raise ValueError(
            f"pattern {pattern!r}: without --data it needs {{source}}, text, and {{target}}, in this order"
        )
    for path in folder.iterdir():
        if not (path.name.startswith(head) and path.name.endswith(tail)):
            continue
        name = path.name[len(head) : len(path.name) - len(tail)]
        for i in range(len(name)):
            source, target = name[:i], name[i + len(between) :]
            if name.startswith(between, i) and source in sources and target in targets:
                yield source, target
