"""Keypoints: 18 joints in (y, x) pixels of a frame, and their two notations.

`{"frame": [256, 176], "keypoints": [[y, x], ... 18 times]}` is this project's JSON. `keypoints_y` and `keypoints_x`,
two JSON lists of 18 integers, are the columns of an annotation CSV (DeepFashion, Market-1501). `formats` reads files
with either, and those of other programs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfld.poses.skeleton import MIRROR, NUM_JOINTS
from cfld.readers.text import parse_json

MISSING: Final = -1
"""Coordinate of a missing joint."""

BESIDE_MISSING: Final = float(np.nextafter(np.float32(MISSING), np.float32(-2)))
"""Replaces a computed coordinate of exactly -1, which would read as missing."""

DEEPFASHION_FRAME: Final = (256, 176)
"""(height, width) that DeepFashion's annotations refer to."""

ANNOTATION_HEADER: Final = "name:keypoints_y:keypoints_x"


@dataclass(frozen=True, eq=False)
class Keypoints:
    """18 joints in (y, x) pixels of a frame.

    Attributes:
        yx: float32 (18, 2). A joint with a coordinate of -1 or NaN is missing and stored as (-1, -1); all others are
            visible and may lie outside the frame.
        frame: (height, width) of the image that the coordinates refer to.

    Raises:
        ValueError: for another number of joints, or a frame without area.
    """

    yx: NDArray[np.float32]
    frame: tuple[int, int] = DEEPFASHION_FRAME

    def __post_init__(self) -> None:
        yx = np.array(self.yx, dtype=np.float32)
        if yx.shape != (NUM_JOINTS, 2):
            raise ValueError(f"a pose needs {NUM_JOINTS} joints of (y, x) in OpenPose order, got shape {yx.shape}")
        if len(self.frame) != 2 or min(self.frame) < 1:
            raise ValueError(f"a frame is (height, width) in pixels, got {self.frame}")
        yx[~np.isfinite(yx).all(axis=1) | (yx == MISSING).any(axis=1)] = MISSING
        object.__setattr__(self, "yx", yx)
        object.__setattr__(self, "frame", (int(self.frame[0]), int(self.frame[1])))

    @property
    def visible(self) -> NDArray[np.bool_]:
        """bool (18,): joints that are not missing."""
        return np.asarray((self.yx != MISSING).all(axis=1))

    @property
    def cut_off(self) -> bool:
        """Whether a visible joint lies outside the frame."""
        yx = self.yx[self.visible]
        return bool((yx < 0).any() or (yx >= self.frame).any())

    def scaled(self, frame: tuple[int, int]) -> Keypoints:
        """The pose scaled to another frame (height, width)."""
        factor = np.array(frame, dtype=np.float32) / np.array(self.frame, dtype=np.float32)
        return Keypoints(self._where_visible(self.yx * factor), frame)

    def cropped(self, top: float, left: float, frame: tuple[int, int]) -> Keypoints:
        """The pose relative to a crop whose corner is (top, left) and whose (height, width) is `frame`."""
        return Keypoints(self._where_visible(self.yx - np.array([top, left], dtype=np.float32)), frame)

    def mirrored(self) -> Keypoints:
        """The pose in the horizontally flipped image: right limbs become left limbs."""
        flipped = self._where_visible(np.stack([self.yx[:, 0], self.frame[1] - 1 - self.yx[:, 1]], axis=1))
        return Keypoints(flipped[list(MIRROR)], self.frame)

    def to_json(self) -> str:
        """This project's JSON, rounded to hundredths of a pixel."""
        yx = self._where_visible(np.round(self.yx, 2), in_place_of_missing=-1.01)
        return json.dumps({"frame": list(self.frame), "keypoints": np.round(yx.astype(float), 2).tolist()})

    def to_annotation(self) -> tuple[str, str]:
        """The columns `keypoints_y` and `keypoints_x` of an annotation CSV, rounded to whole pixels."""
        rounded = self._where_visible(np.round(self.yx), in_place_of_missing=0).astype(int)
        return json.dumps(rounded[:, 0].tolist()), json.dumps(rounded[:, 1].tolist())

    def _where_visible(self, yx: NDArray[Any], in_place_of_missing: float = BESIDE_MISSING) -> NDArray[np.float32]:
        """`yx` for visible joints, none of which becomes missing because a coordinate now happens to be -1."""
        kept = np.where(yx == MISSING, in_place_of_missing, yx)
        return np.where(self.visible[:, None], kept, MISSING).astype(np.float32)


def as_keypoints(pose: Keypoints | ArrayLike, frame: tuple[int, int] = DEEPFASHION_FRAME) -> Keypoints:
    """Returns `Keypoints` unchanged; wraps an (18, 2) array of (y, x) in `frame`."""
    return pose if isinstance(pose, Keypoints) else Keypoints(np.asarray(pose, dtype=np.float32), frame)


def save_keypoints(keypoints: Keypoints, path: str | Path) -> None:
    """Writes this project's JSON."""
    Path(path).write_text(keypoints.to_json() + "\n", encoding="utf-8")


def parse_keypoints(content: Any, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "pose") -> Keypoints:
    """Parses the content of this project's JSON, or a bare list of 18 pairs.

    Args:
        frame: (height, width) that a bare list refers to.
        name: for messages.

    Raises:
        ValueError: for anything else; names `name`.
    """
    try:
        if isinstance(content, dict):
            frame, content = content.get("frame", frame), content["keypoints"]
        height, width = frame
        return Keypoints(np.asarray(content, dtype=np.float32), (height, width))
    except KeyError:
        raise ValueError(f'{name}: no "keypoints" in it') from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None


def parse_annotation(
    keypoints_y: str, keypoints_x: str, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "annotation"
) -> Keypoints:
    """Parses the two columns of an annotation row.

    Raises:
        ValueError: if a column is not a JSON list of 18 numbers; names `name`, and explains NumPy 2's `np.int64(3)`.
    """
    columns = []
    for text in (keypoints_y, keypoints_x):
        columns.append(parse_json(text, name))
        if not isinstance(columns[-1], list) or not all(isinstance(x, int | float) for x in columns[-1]):
            raise ValueError(f"{name}: expected a JSON list of numbers, got {text[:60]!r}")
    counts = [len(column) for column in columns]
    if counts != [NUM_JOINTS, NUM_JOINTS]:
        raise ValueError(f"{name}: a pose needs {NUM_JOINTS} joints, got {counts[0]} y and {counts[1]} x coordinates")
    return Keypoints(np.array(columns, dtype=np.float32).T, frame)
