"""Keypoints: 18 joints in (y, x) pixels of a frame, and the text formats they are kept in.

`name:keypoints_y:keypoints_x` rows of an annotation CSV (DeepFashion, Market-1501) and this project's own JSON,
`{"frame": [256, 176], "keypoints": [[y, x], ... 18 times]}`, are read and written here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cfld.poses.skeleton import MIRROR, NUM_JOINTS

MISSING: Final = -1
"""The coordinate of a joint that was not seen."""

BESIDE_MISSING: Final = float(np.nextafter(np.float32(MISSING), np.float32(-2)))
"""What stands for a coordinate of -1 that a joint outside the frame comes to have."""

DEEPFASHION_FRAME: Final = (256, 176)
"""Height and width of the frame that DeepFashion annotations are given in."""


@dataclass(frozen=True, eq=False)
class Keypoints:
    """18 joints in (y, x) pixels of a frame.

    Attributes:
        yx: float32 (18, 2); a joint with a coordinate of -1 (or NaN) is missing and is stored as (-1, -1). Others may
            lie outside the frame, on either side.
        frame: (height, width) of the picture that the coordinates refer to.

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

    def scaled(self, frame: tuple[int, int]) -> Keypoints:
        """The same pose in a frame of another (height, width)."""
        factor = np.array(frame, dtype=np.float32) / np.array(self.frame, dtype=np.float32)
        return Keypoints(self._where_visible(self.yx * factor), frame)

    def mirrored(self) -> Keypoints:
        """The pose as seen when the picture is flipped left-right: right limbs become left limbs."""
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


def load_keypoints(path: str | Path) -> Keypoints:
    """Reads this project's JSON: `{"frame": [h, w], "keypoints": [[y, x], ...]}` or the bare list of 18 pairs.

    Raises:
        ValueError: naming the file, when it is not that.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable keypoint file ({error})") from None
    content = _parse_json(text, str(path))
    frame: Any = DEEPFASHION_FRAME
    if isinstance(content, dict):
        if "keypoints" not in content:
            raise ValueError(
                f'{path}: no "keypoints" in it; expected {{"frame": [256, 176], "keypoints": [[y, x], ...]}}'
            )
        frame, content = content.get("frame", frame), content["keypoints"]
    try:
        return Keypoints(np.asarray(content, dtype=np.float32), tuple(frame))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def save_keypoints(keypoints: Keypoints, path: str | Path) -> None:
    """Writes this project's JSON."""
    Path(path).write_text(keypoints.to_json() + "\n", encoding="utf-8")


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
