"""Poses that a keypoint detector found in generated images, read from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cfld.data.lists import read_annotations
from cfld.evaluation.scorer import Pair
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import Keypoints

JSON_NAMES: Final = ("{stem}.json", "{stem}_keypoints.json")
"""Names of an image's keypoint file; the second is OpenPose's."""


def read_detected_poses(path: Path, files: Mapping[Pair, Path], frame: tuple[int, int]) -> dict[Pair, Keypoints]:
    """Reads the keypoints of every image.

    Args:
        path: a folder with one JSON file per image, or an annotation CSV (name:keypoints_y:keypoints_x).
        files: pair -> image.
        frame: (height, width) that the rows of a CSV refer to.

    Raises:
        ValueError: naming every image without keypoints; one in which nobody was found has 18 times -1.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder of keypoints")
    if path.is_dir():
        json_files = {pair: _json_file(path, file) for pair, file in files.items()}
        poses = {pair: load_keypoints(file) for pair, file in json_files.items() if file is not None}
    else:
        rows = read_annotations(path, frame)
        poses = {pair: rows[file.name] for pair, file in files.items() if file.name in rows}
    if without := [file.name for pair, file in files.items() if pair not in poses]:
        raise ValueError(f"{path}: no keypoints for {len(without)} images: {', '.join(without)}")
    return poses


def _json_file(folder: Path, image: Path) -> Path | None:
    candidates = (folder / name.format(stem=image.stem) for name in JSON_NAMES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)
