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

from cfld.files import write_text
from cfld.poses.skeleton import MIRROR, NUM_JOINTS
from cfld.readers.text import parse_json

MISSING: Final = -1
"""Coordinate of a missing joint."""

BESIDE_MISSING: Final = float(np.nextafter(np.float32(MISSING), np.float32(-2)))
"""Replaces a computed coordinate of exactly -1, which would read as missing."""

DEEPFASHION_FRAME: Final = (256, 176)
"""(height, width) that DeepFashion's annotations refer to."""

MAX_SIDE: Final = 65_535
"""Largest height or width of a frame; that of JPEG."""
MAX_ASPECT: Final = 100
"""Largest ratio of a frame's sides."""
MAX_DISTANCE: Final = 1e6
"""Largest coordinate in pixels."""
MAX_FRACTION: Final = 8.0
"""Largest coordinate of a joint, in image sizes, among coordinates that are fractions of the image."""

ANNOTATION_HEADER: Final = "name:keypoints_y:keypoints_x"


@dataclass(frozen=True, eq=False)
class Keypoints:
    """18 joints in (y, x) pixels of a frame.

    Attributes:
        yx: float32 (18, 2). A joint with a coordinate of -1 or NaN is missing and stored as (-1, -1); all others are
            visible and may lie outside the frame.
        frame: (height, width) of the image that the coordinates refer to.

    Raises:
        ValueError: for another number of joints, a frame without area, coordinates that are infinite, and coordinates
            that are fractions of the image (`are_fractions`); `in_pixels` converts those.
    """

    yx: NDArray[np.float32]
    frame: tuple[int, int] = DEEPFASHION_FRAME

    def __post_init__(self) -> None:
        yx, frame = _joints(self.yx), _frame(self.frame)
        if are_fractions(yx, frame):
            raise ValueError(
                f"coordinates from {_range(yx)} are fractions of an image, expected pixels of one of "
                f"{frame[0]} x {frame[1]}; multiply (y, x) by the image's height and width"
            )
        self._store(yx, frame)

    @classmethod
    def _transformed(cls, yx: NDArray[np.float32], frame: tuple[int, int]) -> Keypoints:
        """A pose computed from another one, not checked again: its coordinates may have become small or large."""
        pose = object.__new__(cls)
        pose._store(yx, frame)
        return pose

    def _store(self, yx: NDArray[np.float32], frame: tuple[int, int]) -> None:
        object.__setattr__(self, "yx", np.where(_known(yx)[:, None], yx, np.float32(MISSING)))
        object.__setattr__(self, "frame", (int(frame[0]), int(frame[1])))

    @property
    def visible(self) -> NDArray[np.bool_]:
        """bool (18,): joints that are not missing."""
        return np.asarray((self.yx != MISSING).all(axis=1))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """bool (18,): joints that lie in the frame."""
        return np.asarray(((self.yx >= 0) & (self.yx < self.frame)).all(axis=1))

    @property
    def cut_off(self) -> bool:
        """Whether a visible joint lies outside the frame."""
        return bool((self.visible & ~self.inside).any())

    def scaled(self, frame: tuple[int, int]) -> Keypoints:
        """The pose scaled to another frame (height, width)."""
        factor = np.array(frame, dtype=np.float32) / np.array(self.frame, dtype=np.float32)
        return self._transformed(self._where_visible(self.yx * factor), frame)

    def cropped(self, top: float, left: float, frame: tuple[int, int]) -> Keypoints:
        """The pose relative to a crop whose corner is (top, left) and whose (height, width) is `frame`."""
        return self._transformed(self._where_visible(self.yx - np.array([top, left], dtype=np.float32)), frame)

    def mirrored(self) -> Keypoints:
        """The pose in the horizontally flipped image: right limbs become left limbs."""
        flipped = self._where_visible(np.stack([self.yx[:, 0], self.frame[1] - 1 - self.yx[:, 1]], axis=1))
        return self._transformed(flipped[list(MIRROR)], self.frame)

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
    return pose if isinstance(pose, Keypoints) else Keypoints(_joints(pose), frame)


def are_fractions(yx: NDArray[Any], frame: tuple[int, int]) -> bool:
    """Whether (y, x) of joints are fractions of an image rather than pixels of `frame`.

    They are if not all are whole numbers, half of them are at most 1, and none is above `MAX_FRACTION`: in pixels, that
    would be somebody a few pixels tall in the corner of the frame. Frames that are themselves so small have no
    fractions.

    Args:
        yx: (N, 2); joints with a coordinate of -1 or NaN are missing.
    """
    known = np.abs(yx[_known(yx)])
    if not known.size or max(frame) <= 2 * MAX_FRACTION or not (known % 1).any():
        return False
    return bool(np.median(known) <= 1 and known.max() <= MAX_FRACTION)


def in_pixels(yx: ArrayLike, frame: tuple[int, int]) -> Keypoints:
    """The pose of coordinates that are pixels or fractions of `frame`.

    Args:
        yx: (18, 2); -1 or NaN = missing.

    Raises:
        ValueError: for what `Keypoints` refuses, and for fractions with the origin in the middle of the image.
    """
    joints, (height, width) = _joints(yx), _frame(frame)
    if not are_fractions(joints, (height, width)):
        return Keypoints(joints, (height, width))
    known = _known(joints)
    if (joints[known] < 0).mean() > 0.25:
        raise ValueError(
            f"coordinates from {_range(joints)} are neither pixels nor fractions of the image; "
            "give pixels, with the origin in its upper left corner"
        )
    pixels = joints * np.array([height, width], dtype=np.float32)
    pixels[pixels == MISSING] = BESIDE_MISSING
    return Keypoints._transformed(np.where(known[:, None], pixels, np.float32(MISSING)), (height, width))


def _joints(yx: ArrayLike) -> NDArray[np.float32]:
    """A float32 copy (18, 2), its numbers finite or NaN."""
    try:
        with np.errstate(over="ignore"):
            joints = np.array(yx, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a pose needs {NUM_JOINTS} joints, each two numbers (y, x)") from None
    if joints.shape != (NUM_JOINTS, 2):
        raise ValueError(f"a pose needs {NUM_JOINTS} joints of (y, x) in OpenPose order, got shape {joints.shape}")
    if (beyond := joints[np.abs(joints) > MAX_DISTANCE]).size:
        raise ValueError(f"joints lie at most {MAX_DISTANCE:,.0f} pixels away, got a coordinate of {beyond[0]:g}")
    return joints


def _known(yx: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(yx).all(axis=1) & (yx != MISSING).all(axis=1))


def _range(yx: NDArray[Any]) -> str:
    known = yx[_known(yx)]
    return f"{known.min():.3g} to {known.max():.3g}"


def _frame(frame: Any) -> tuple[int, int]:
    """(height, width) as whole numbers."""
    try:
        height, width = frame
        if min(height, width) >= 1 and max(height, width) <= min(MAX_SIDE, MAX_ASPECT * min(height, width)):
            return int(height), int(width)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"a frame is (height, width) in pixels, each from 1 to {MAX_SIDE:,} and at most {MAX_ASPECT} times the other, "
        f"got {str(frame)[:60]}"
    )


def save_keypoints(keypoints: Keypoints, path: str | Path) -> None:
    """Writes this project's JSON."""
    write_text(path, keypoints.to_json() + "\n")


def parse_keypoints(content: Any, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "pose") -> Keypoints:
    """Parses the content of this project's JSON, or a bare list of 18 pairs.

    Coordinates are pixels, or fractions of the frame if the content states it.

    Args:
        frame: (height, width) that a bare list refers to.
        name: for messages.

    Raises:
        ValueError: for anything else; names `name`.
    """
    if isinstance(content, dict) and "keypoints" not in content:
        raise ValueError(f'{name}: no "keypoints" in it')
    try:
        if isinstance(content, dict) and "frame" in content:
            return in_pixels(content["keypoints"], content["frame"])
        return Keypoints(content["keypoints"] if isinstance(content, dict) else content, frame)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def parse_annotation(
    keypoints_y: str, keypoints_x: str, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "annotation"
) -> Keypoints:
    """Parses the two columns of an annotation row.

    Raises:
        ValueError: if a column is not a JSON list of 18 numbers, or they are fractions; names `name`, and explains
            NumPy 2's `np.int64(3)`.
    """
    columns = []
    for text in (keypoints_y, keypoints_x):
        columns.append(parse_json(text, name))
        if not isinstance(columns[-1], list) or not all(isinstance(x, int | float) for x in columns[-1]):
            raise ValueError(f"{name}: expected a JSON list of numbers, got {text[:60]!r}")
    counts = [len(column) for column in columns]
    if counts != [NUM_JOINTS, NUM_JOINTS]:
        raise ValueError(f"{name}: a pose needs {NUM_JOINTS} joints, got {counts[0]} y and {counts[1]} x coordinates")
    try:
        return Keypoints(np.array(list(zip(*columns, strict=True)), dtype=np.float32), frame)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from None
