"""Reading of poses from keypoint files, images of people, annotations and random seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from cfld.data.lists import read_annotations
from cfld.data.transforms import read_image
from cfld.poses.estimate import Detector, find_person, open_detector
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import DEEPFASHION_FRAME, Keypoints
from cfld.poses.people import CONFIDENCE
from cfld.poses.registry import SEEDED_POSES
from cfld.readers.images import is_image_file


class PoseReader:
    """Reads poses from images and keypoint files. The detector is opened at the first image."""

    def __init__(
        self,
        make_detector: Callable[[], Detector] = open_detector,
        person: int | None = None,
        confidence: float = CONFIDENCE,
    ) -> None:
        """
        Args:
            make_detector: opens the pose detector for images.
            person: which of several people, 1 = the largest; None = the largest.
            confidence: joints of keypoint files with a lower confidence are missing; a detector has its own threshold.
        """
        self._make_detector, self._person, self._confidence = make_detector, person, confidence

    def image(self, image: Image.Image, name: str) -> Keypoints:
        """Detects the pose of the person in an upright image.

        Args:
            name: of the image, for error messages.

        Raises:
            ValueError: when no person is found.
        """
        return find_person(self._detector, np.asarray(image.convert("RGB")), name, self._person).keypoints

    def file(self, path: Path, frame: tuple[int, int] | None = None) -> Keypoints:
        """Reads the pose from an image, or from a keypoint file of any supported format.

        Args:
            frame: as in `load_keypoints`.

        Raises:
            ValueError: naming the file, when it is neither, or contains no person.
        """
        if is_image_file(path):
            return self.image(read_image(path), str(path))
        return load_keypoints(path, self._person, frame, self._confidence)

    @cached_property
    def _detector(self) -> Detector:
        return self._make_detector()


def target_poses(
    texts: Sequence[str],
    annotations: Path | None = None,
    frame: tuple[int, int] | None = None,
    reader: PoseReader | None = None,
) -> dict[str, Keypoints]:
    """Reads target poses, by the names that their images get.

    Args:
        texts: each a keypoint file, an image of a person, a row name of `annotations`, or the random seed of a
            mannequin pose.
        annotations: an annotation CSV.
        frame: (height, width) that its rows refer to, and keypoint files that do not store it; None = 256 x 176.
        reader: default: with the bundled detector, for mannequins.

    Raises:
        ValueError: for a text that is none of these, a pose without any joint, or two poses of one name.
    """
    rows = {} if annotations is None else read_annotations(annotations, frame or DEEPFASHION_FRAME)
    reader = reader or PoseReader()
    poses: dict[str, Keypoints] = {}
    for text in texts:
        name, pose = _target_pose(text, rows, reader, frame)
        if not pose.visible.any():
            raise ValueError(f"{text}: all 18 joints are missing, so the position of the person is unknown")
        if name in poses:
            raise ValueError(f"two target poses are called {name!r}, so their images would have the same name")
        poses[name] = pose
    return poses


def _target_pose(
    text: str, rows: Mapping[str, Keypoints], reader: PoseReader, frame: tuple[int, int] | None
) -> tuple[str, Keypoints]:
    if text in rows:
        return Path(text).stem, rows[text]
    if text.isdecimal():
        return f"mannequin{text}", SEEDED_POSES["mannequin"](int(text))
    if text.endswith(".json") or Path(text).exists():
        return Path(text).stem, reader.file(Path(text), frame)
    where = "there is no row of that name in --annotations" if rows else "no --annotations to look it up in"
    raise ValueError(f"target pose {text!r} is neither a file nor a number, and {where}")
