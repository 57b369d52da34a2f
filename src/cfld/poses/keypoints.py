"""Keypoints: 18 joints in (y, x) pixels of a frame, and the files they are kept in.

`name:keypoints_y:keypoints_x` rows of an annotation CSV (DeepFashion, Market-1501) and this project's own JSON,
`{"frame": [256, 176], "keypoints": [[y, x], ... 18 times]}`, are read and written here; other programs' JSON is
understood by `formats`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfld.poses import formats
from cfld.poses.skeleton import JOINTS, MIRROR, NUM_JOINTS

logger = logging.getLogger(__name__)

MISSING: Final = -1
"""The coordinate of a joint that was not seen."""

BESIDE_MISSING: Final = float(np.nextafter(np.float32(MISSING), np.float32(-2)))
"""What stands for a coordinate of -1 that a joint outside the frame comes to have."""

DEEPFASHION_FRAME: Final = (256, 176)
"""Height and width of the frame that DeepFashion annotations are given in."""

LISTED: Final = 8
"""People that a message lists."""

ANNOTATION_HEADER: Final = "name:keypoints_y:keypoints_x"


@dataclass(frozen=True, eq=False)
class Keypoints:
    """18 joints in (y, x) pixels of a frame.

    Attributes:
        yx: float32 (18, 2); a joint with a coordinate of -1 (or NaN) is missing and is stored as (-1, -1). Others may
            lie outside the frame, on either side.
        frame: (height, width) of the image that the coordinates refer to.

    Raises:
        ValueError: for any other number of joints, or a frame without area.
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
        """bool (18,): which joints are there."""
        return np.asarray((self.yx != MISSING).all(axis=1))

    @property
    def cut_off(self) -> bool:
        """Whether joints lie outside the frame."""
        yx = self.yx[self.visible]
        return bool((yx < 0).any() or (yx >= self.frame).any())

    def scaled(self, frame: tuple[int, int]) -> Keypoints:
        """The same pose in a frame of another (height, width)."""
        factor = np.array(frame, dtype=np.float32) / np.array(self.frame, dtype=np.float32)
        return Keypoints(self._where_visible(self.yx * factor), frame)

    def cropped(self, top: float, left: float, frame: tuple[int, int]) -> Keypoints:
        """The same pose in a window of this frame: (top, left) is its corner, `frame` its (height, width)."""
        return Keypoints(self._where_visible(self.yx - np.array([top, left], dtype=np.float32)), frame)

    def mirrored(self) -> Keypoints:
        """The pose as seen when the image is flipped left-right: right limbs become left limbs."""
        flipped = self._where_visible(np.stack([self.yx[:, 0], self.frame[1] - 1 - self.yx[:, 1]], axis=1))
        return Keypoints(flipped[list(MIRROR)], self.frame)

    def to_json(self) -> str:
        yx = self._where_visible(np.round(self.yx, 2), in_place_of_missing=-1.01)
        return json.dumps({"frame": list(self.frame), "keypoints": np.round(yx.astype(float), 2).tolist()})

    def to_annotation(self) -> tuple[str, str]:
        """The two columns `keypoints_y`, `keypoints_x` of an annotation CSV: JSON lists of plain integers."""
        rounded = self._where_visible(np.round(self.yx), in_place_of_missing=0).astype(int)
        return json.dumps(rounded[:, 0].tolist()), json.dumps(rounded[:, 1].tolist())

    def _where_visible(self, yx: NDArray[Any], in_place_of_missing: float = BESIDE_MISSING) -> NDArray[np.float32]:
        """`yx` for the joints that are there; none of them may come out as missing because it now has a -1."""
        kept = np.where(yx == MISSING, in_place_of_missing, yx)
        return np.where(self.visible[:, None], kept, MISSING).astype(np.float32)


def as_keypoints(pose: Keypoints | ArrayLike, frame: tuple[int, int] = DEEPFASHION_FRAME) -> Keypoints:
    """Accepts `Keypoints` as they are and an (18, 2) array of (y, x) in `frame`."""
    return pose if isinstance(pose, Keypoints) else Keypoints(np.asarray(pose, dtype=np.float32), frame)


def parse_annotation(
    keypoints_y: str, keypoints_x: str, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "annotation"
) -> Keypoints:
    """Reads the two columns of an annotation row.

    Raises:
        ValueError: naming `name`, for text that is no JSON list of 18 numbers; NumPy 2's `np.int64(3)` is recognised.
    """
    columns = [_parse_numbers(text, name) for text in (keypoints_y, keypoints_x)]
    counts = [len(column) for column in columns]
    if counts != [NUM_JOINTS, NUM_JOINTS]:
        raise ValueError(f"{name}: a pose needs {NUM_JOINTS} joints, got {counts[0]} y and {counts[1]} x coordinates")
    return Keypoints(np.array(columns, dtype=np.float32).T, frame)


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """Somebody found in an image or a file.

    Attributes:
        keypoints: in pixels of the image; unsure joints are missing.
        scores: float32 (18,), how sure each joint is, of the missing ones too.
        box: (top, left, bottom, right) of the person in pixels.
        image: which image, where a file tells of several.
    """

    keypoints: Keypoints
    scores: NDArray[np.float32]
    box: tuple[float, float, float, float]
    image: str = ""

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def missing(self) -> list[str]:
        """The names of the joints that are not there."""
        return [name for name, there in zip(JOINTS, self.keypoints.visible, strict=True) if not there]

    def __str__(self) -> str:
        top, left, bottom, right = (round(side) for side in self.box)
        where = f"{int(self.keypoints.visible.sum())} joints in rows {top} to {bottom}, columns {left} to {right}"
        return f"{self.image}, {where}" if self.image else where


def joint_box(keypoints: Keypoints) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) around the joints that are there; there must be some."""
    yx = keypoints.yx[keypoints.visible].astype(float)
    (top, left), (bottom, right) = yx.min(axis=0), yx.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def choose_person(people: Sequence[Person], person: int | None = None, name: str = "image") -> Person:
    """The person asked for, else the largest; the others are told in the log.

    Args:
        person: counted from 1: from the largest on, or in the file's order where they are of several images.
        name: what messages call the image or file.

    Raises:
        ValueError: naming `name`, when nobody is there, when there is no such person, or when nothing says which
            image's person is meant.
    """
    if not people:
        raise ValueError(f"{name}: nobody found")
    several_images = len({one.image for one in people}) > 1
    order = list(people) if several_images else sorted(people, key=lambda one: -one.area)
    listed = "; ".join(f"{number}: {one}" for number, one in enumerate(order[:LISTED], start=1))
    listed += f"; and {len(order) - LISTED} more" if len(order) > LISTED else ""
    if person is not None and not 1 <= person <= len(order):
        raise ValueError(f"{name}: there is no person {person}, there are {len(order)} ({listed})")
    if person is None and several_images:
        raise ValueError(f"{name}: holds people of several images; say which by their number, --person K ({listed})")
    if person is None and len(order) > 1:
        logger.warning("%s: %d people, the largest is taken; --person K takes another (%s)", name, len(order), listed)
    return order[0 if person is None else person - 1]


def load_keypoints(
    path: str | Path,
    person: int | None = None,
    frame: tuple[int, int] = DEEPFASHION_FRAME,
    confidence: float = formats.CONFIDENCE,
) -> Keypoints:
    """The pose in a file of any format that `formats` or this module understands.

    Args:
        person: which one of several, see `choose_person`.
        frame: (height, width) of the image, where the file does not tell it.
        confidence: joints that the file is less sure of are missing.

    Raises:
        ValueError: naming the file, when it is no such file or nobody is in it; see also `choose_person`.
    """
    return choose_person(load_people(path, frame, confidence), person, str(path)).keypoints


def load_people(
    path: str | Path, frame: tuple[int, int] = DEEPFASHION_FRAME, confidence: float = formats.CONFIDENCE
) -> list[Person]:
    """Everybody in a keypoint file; arguments and errors as in `load_keypoints`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable keypoint file ({error})") from None
    if text.lstrip().startswith(ANNOTATION_HEADER):
        return _annotated_people(text, frame, path)
    return parse_people(_parse_json(text, str(path)), frame, str(path), confidence)


def parse_people(
    content: Any,
    frame: tuple[int, int] = DEEPFASHION_FRAME,
    name: str = "poses",
    confidence: float = formats.CONFIDENCE,
) -> list[Person]:
    """Everybody in the content of a JSON file; errors name `name`, else as in `load_keypoints`."""
    try:
        found = formats.parse_people(content, confidence)
        people = [_found_person(one, frame) for one in found or () if np.isfinite(one.yx).any()]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None
    return [_person(parse_keypoints(content, frame, name))] if found is None else people


def parse_keypoints(content: Any, frame: tuple[int, int] = DEEPFASHION_FRAME, name: str = "pose") -> Keypoints:
    """From the content of this project's JSON, or the bare list of 18 pairs.

    Args:
        frame: (height, width) that a bare list refers to.

    Raises:
        ValueError: naming `name`, for anything else.
    """
    if isinstance(content, dict):
        if "keypoints" not in content:
            raise ValueError(f'{name}: no "keypoints" in it; understood are {formats.UNDERSTOOD}')
        frame, content = content.get("frame", frame), content["keypoints"]
    try:
        height, width = frame
        return Keypoints(np.asarray(content, dtype=np.float32), (height, width))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None


def save_keypoints(keypoints: Keypoints, path: str | Path) -> None:
    """Writes this project's JSON."""
    Path(path).write_text(keypoints.to_json() + "\n", encoding="utf-8")


def _found_person(one: formats.Found, frame: tuple[int, int]) -> Person:
    if one.frame is None and (np.nan_to_num(one.yx) > frame).any():
        raise ValueError(
            f"does not tell the image's size, and joints lie outside {frame[0]} x {frame[1]}; "
            "give its height and width with --frame"
        )
    return _person(Keypoints(one.yx, one.frame or frame), one.scores, one.image)


def _annotated_people(text: str, frame: tuple[int, int], path: Path) -> list[Person]:
    rows = [line.rsplit(":", 2) for line in text.split("\n")[1:] if line.strip()]
    if wrong := [number for number, row in enumerate(rows, start=2) if len(row) != 3]:
        raise ValueError(f"{path}, line {wrong[0]}: expected {ANNOTATION_HEADER}")
    return [_person(parse_annotation(y, x, frame, f"{path}, {name}"), image=name) for name, y, x in rows]


def _person(keypoints: Keypoints, scores: NDArray[np.float32] | None = None, image: str = "") -> Person:
    """Somebody of whom only the joints are told; a pose without any, which data sets hold, has no area."""
    box = joint_box(keypoints) if keypoints.visible.any() else (0.0, 0.0, 0.0, 0.0)
    sure = keypoints.visible.astype(np.float32) if scores is None else scores
    return Person(keypoints=keypoints, scores=sure, box=box, image=image)


def _parse_numbers(text: str, name: str) -> Sequence[float]:
    content = _parse_json(text, name)
    if not isinstance(content, list) or not all(isinstance(x, int | float) for x in content):
        raise ValueError(f"{name}: expected a JSON list of numbers, got {text[:60]!r}")
    return content


def _parse_json(text: str, name: str) -> Any:
    if "np.int" in text or "np.float" in text:
        raise ValueError(
            f"{name}: holds 'np.int64(...)', which NumPy 2 writes for str(list(array)); "
            "write the coordinates with json.dumps(array.tolist()) instead"
        )
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}: not JSON ({error})") from None
