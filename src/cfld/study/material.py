"""Where a study's images come from: a data set's folder, or folders of images alone, and one folder a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cfld.contact_sheet import draw_pose
from cfld.data.lists import is_image_name
from cfld.data.registry import detect_dataset, open_dataset
from cfld.data.transforms import read_image, to_pil
from cfld.poses.formats import load_keypoints

Read = Callable[[str], Image.Image]
Names = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Pairs and how to see them.

    Attributes:
        pairs: (source, target) names, all that results are named after.
        usable: those of them that people can be asked about: their target pose has a joint.
        source, truth: a name -> the real image.
        pose: a target's name -> an image of its pose; none where poses are not known.
        size: (height, width) that the images have, or are to have.
    """

    pairs: Names
    usable: Names
    source: Read
    truth: Read
    pose: Read | None
    size: tuple[int, int]


def from_dataset(root: Path, split: str, limit: int | None, size: tuple[int, int] | None) -> Material:
    """The pairs of a data set.

    Args:
        limit: of the first so many pairs only, as `cfld generate --limit` draws them.
        size: by default the frame of the data set's keypoints.
    """
    dataset = open_dataset(detect_dataset(root), root, split)
    pairs = list(dict.fromkeys(dataset.pairs))[:limit]
    image_size = size or dataset.frame

    def real(name: str) -> Image.Image:
        return to_pil(dataset.image(name))

    return Material(
        pairs=pairs,
        usable=[pair for pair in pairs if dataset.keypoints(pair[1]).visible.any()],
        source=real,
        truth=real,
        pose=lambda name: draw_pose(dataset.keypoints(name), image_size),
        size=image_size,
    )


def from_folders(
    sources: Path, real: Path, poses: Path | None, results: Path, pattern: str, size: tuple[int, int] | None
) -> Material:
    """The pairs that a folder of results is named after.

    Args:
        sources, real: folders of source images and of true target images.
        poses: a folder of images of poses or of keypoint JSON files, named as the true images; may be none.
        results: one method's folder.
        size: by default that of the first true image.

    Raises:
        ValueError: naming the folder, when nothing in it fits.
    """
    source_files, real_files = _by_stem(sources, is_image_name), _by_stem(real, is_image_name)
    named = sorted(_named_pairs(results, pattern, set(source_files), set(real_files)))
    if not named:
        raise ValueError(f"{results}: no file is named {pattern} after images of {sources} and {real}")
    pairs = [(source_files[source].name, real_files[target].name) for source, target in named]
    first = read_image(real / pairs[0][1])
    image_size = size or (first.height, first.width)
    return Material(
        pairs=pairs,
        usable=pairs,
        source=lambda name: read_image(sources / name),
        truth=lambda name: read_image(real / name),
        pose=None if poses is None else _pose_reader(poses, [target for _, target in pairs], image_size),
        size=image_size,
    )


def _pose_reader(folder: Path, targets: Sequence[str], size: tuple[int, int]) -> Read:
    """Reads poses of images: files of the same name, but for the ending."""
    files = _by_stem(folder, lambda name: is_image_name(name) or name.endswith(".json"))
    if missing := sorted({Path(target).stem for target in targets} - set(files)):
        raise ValueError(f"{folder}: no pose of {', '.join(missing)}")

    def read(target: str) -> Image.Image:
        path = files[Path(target).stem]
        return draw_pose(load_keypoints(path), size) if path.suffix == ".json" else read_image(path)

    return read


def _by_stem(folder: Path, wanted: Callable[[str], bool]) -> dict[str, Path]:
    """A folder's files by name without ending."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    files = [path for path in sorted(folder.iterdir()) if wanted(path.name)]
    by_stem = {path.stem: path for path in files}
    if not files:
        raise ValueError(f"{folder}: no image in this folder")
    if len(by_stem) < len(files):
        twice = next(path.name for path in files if by_stem[path.stem] != path)
        raise ValueError(f"{folder}: {twice} and another file differ in their ending only; keep one of them")
    return by_stem


def _named_pairs(folder: Path, pattern: str, sources: set[str], targets: set[str]) -> Iterator[tuple[str, str]]:
    """The pairs that file names tell, without endings, wherever the text between the two names occurs in them."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder")
    head, _, rest = pattern.partition("{source}")
    between, _, tail = rest.partition("{target}")
    if pattern != f"{head}{{source}}{between}{{target}}{tail}" or not between:
        raise ValueError(
            f"pattern {pattern!r}: without --data it needs {{source}}, text, and {{target}}, in this order"
        )
    for path in folder.iterdir():
        if not (path.name.startswith(head) and path.name.endswith(tail)):
            continue
        core = path.name[len(head) : len(path.name) - len(tail)]
        places = [i for i in range(len(core)) if core.startswith(between, i)]
        yield from (
            (core[:i], core[i + len(between) :])
            for i in places
            if core[:i] in sources and core[i + len(between) :] in targets
        )
