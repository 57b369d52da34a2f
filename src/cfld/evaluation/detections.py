"""What a keypoint detector found in generated images, read from its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cfld.data.lists import read_annotations
from cfld.evaluation.score import Pair
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import Keypoints

JSON_NAMES: Final = ("{stem}.json", "{stem}_keypoints.json")
"""What the file of an image is called; the second is OpenPose's."""


def read_detections(path: Path, files: Mapping[Pair, Path], frame: tuple[int, int]) -> dict[Pair, Keypoints]:
    """The joints found in every image.

    Args:
        path: a folder with one JSON file an image, or one annotation CSV (name:keypoints_y:keypoints_x).
        files: pair -> image.
        frame: (height, width) that the rows of a CSV refer to.

    Raises:
        ValueError: naming every image without joints; an image in which nobody was found has 18 times -1.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder of keypoints")
    if path.is_dir():
        found = {pair: _json_file(path, file) for pair, file in files.items()}
        _check(path, [files[pair].name for pair, json_file in found.items() if json_file is None])
        return {pair: load_keypoints(json_file) for pair, json_file in found.items() if json_file is not None}
    rows = read_annotations(path, frame)
    _check(path, [file.name for file in files.values() if file.name not in rows])
    return {pair: rows[file.name] for pair, file in files.items()}


def _json_file(folder: Path, image: Path) -> Path | None:
    candidates = (folder / name.format(stem=image.stem) for name in JSON_NAMES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _check(path: Path, without: list[str]) -> None:
    if without:
        raise ValueError(f"{path}: no keypoints of {len(without)} images: {', '.join(without)}")
