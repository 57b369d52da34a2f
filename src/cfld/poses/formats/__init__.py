"""Keypoint files of this project and of other programs, recognised by their content. One module a program or family.

own JSON        {"frame": [h, w], "keypoints": [[y, x], ... 18 times]}, or the list alone
annotation CSV  name:keypoints_y:keypoints_x, as DeepFashion's
the others      `FORMATS`, and the modules named there

Where the size of the image is known, from the file or from the caller, coordinates may be fractions of it
(`keypoints.are_fractions`). Another JSON format is one function and one row in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from cfld.poses.formats.arrays import read_arrays
from cfld.poses.formats.coco import is_annotation, read_coco
from cfld.poses.formats.content import Described, Format, Frame, objects, to_person
from cfld.poses.formats.mediapipe import read_landmarks
from cfld.poses.formats.mmpose import read_mmpose
from cfld.poses.formats.openpose import read_editor, read_openpose
from cfld.poses.formats.ultralytics import read_labels, read_results
from cfld.poses.keypoints import (
    ANNOTATION_HEADER,
    DEEPFASHION_FRAME,
    Keypoints,
    parse_annotation,
    parse_keypoints,
)
from cfld.poses.people import CONFIDENCE, Person, choose_person, person_of
from cfld.readers.tensors import load_arrays, map_array
from cfld.readers.text import check_file, parse_json, read_text

FORMATS: Final[dict[str, Format]] = {
    "OpenPose, ControlNet, DWPose and AlphaPose JSON": read_openpose,
    "openpose-editor JSON": read_editor,
    "MMPose JSON": read_mmpose,
    "Ultralytics JSON": read_results,
    "COCO JSON (17, 26, 133 or 136 keypoints)": read_coco,
    "MediaPipe landmarks": read_landmarks,
}
"""What messages call a JSON format -> its reader. The first that knows a content reads it."""
SUPPORTED: Final = (
    'this project\'s {"frame": [h, w], "keypoints": [[y, x], ... 18 times]}',
    *FORMATS,
    "Ultralytics .txt",
    "NumPy .npy and .npz",
    f"annotation CSV ({ANNOTATION_HEADER})",
)
SUFFIXES: Final = (".json", ".txt", ".npy", ".npz", ".csv")
"""Usual ends of the files' names."""
NUMPY: Final = b"\x93NUMPY"
ARCHIVE: Final = b"PK\x03\x04"
"""First bytes of NumPy's files."""


def load_keypoints(
    path: str | Path, person: int | None = None, frame: Frame | None = None, confidence: float = CONFIDENCE
) -> Keypoints:
    """Reads the pose of one person from a file of any format above.

    Args:
        person: number of the person, see `choose_person`.
        frame: (height, width) of the image, if the file does not give it; None = 256 x 176, and coordinates that are
            fractions of an unknown image are refused.
        confidence: joints with a lower confidence are missing.

    Raises:
        ValueError: if the file has none of the formats or describes nobody; see also `choose_person`. Names the file.
    """
    return choose_person(load_people(path, frame, confidence), person, str(path)).keypoints


def load_people(path: str | Path, frame: Frame | None = None, confidence: float = CONFIDENCE) -> list[Person]:
    """Reads everybody in a keypoint file; arguments and errors as in `load_keypoints`."""
    path = Path(path)
    if (arrays := _load_arrays(path)) is not None:
        return _people(arrays, frame, confidence, str(path))
    text = read_text(path).strip()
    if text.startswith(ANNOTATION_HEADER):
        return _annotations(text, frame or DEEPFASHION_FRAME, path)
    try:
        labels = read_labels([line for line in text.splitlines() if line.strip()])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if labels is not None:
        return _people(labels, frame, confidence, str(path))
    if text and text[0] not in "[{":
        raise ValueError(_unknown(str(path), f"text that begins with {text[:20]!r}"))
    return parse_people(parse_json(text, str(path)), frame, str(path), confidence)


def load_images(path: Path, frame: Frame | None = None, confidence: float = CONFIDENCE) -> dict[str, list[Person]]:
    """Reads everybody in a file that describes several images, by image; of a list of poses, each is one.

    Arguments and errors as in `load_keypoints`.
    """
    if _is_numpy(path):
        people = load_people(path, frame, confidence)
        return {f"{path}, pose {number}": [person] for number, person in enumerate(people, start=1)}
    content = parse_json(read_text(path), str(path))
    if isinstance(content, list) and not any(map(is_annotation, content)):
        names = [f"{path}, pose {number}" for number in range(1, len(content) + 1)]
        return {n: parse_people(one, frame, n, confidence) for n, one in zip(names, content, strict=True)}
    images: dict[str, list[Person]] = {}
    for person in parse_people(content, frame, str(path), confidence):
        images.setdefault(f"{path}, {person.image}", []).append(person)
    return images


def parse_people(
    content: Any, frame: Frame | None = None, name: str = "poses", confidence: float = CONFIDENCE
) -> list[Person]:
    """Everybody in the content of a JSON file; arguments and errors as in `load_keypoints`, messages name `name`."""
    try:
        readers = FORMATS.values()
        found = [] if content == [] else next((p for read in readers if (p := read(content)) is not None), None)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if found is not None:
        return _people(found, frame, confidence, name)
    own = {"keypoints": content} if isinstance(content, list) and not objects(content) else content
    if not isinstance(own, dict) or "keypoints" not in own:
        raise ValueError(_unknown(name, _seen(content)))
    return [person_of(parse_keypoints(own if frame is None else {"frame": frame, **own}, name=name))]


def _people(found: Iterable[Described], frame: Frame | None, confidence: float, name: str) -> list[Person]:
    """Those of whom a joint is known."""
    try:
        people = [to_person(one, frame, confidence) for one in found]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return [person for person in people if person.keypoints.visible.any()]


def _is_numpy(path: Path) -> bytes | None:
    """The first bytes of one of NumPy's files; None for others."""
    check_file(path)
    with path.open("rb") as file:
        head = file.read(len(NUMPY))
    return next((first for first in (NUMPY, ARCHIVE) if head.startswith(first)), None)


def _load_arrays(path: Path) -> Sequence[Described] | None:
    """The people of one of NumPy's files; None for others."""
    kind = _is_numpy(path)
    if kind is None:
        return None
    content = {"keypoints": map_array(path)} if kind == NUMPY else load_arrays(path)
    try:
        return read_arrays(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _annotations(text: str, frame: Frame, path: Path) -> list[Person]:
    rows = [line.rsplit(":", 2) for line in text.split("\n")[1:] if line.strip()]
    if wrong := [number for number, row in enumerate(rows, start=2) if len(row) != 3]:
        raise ValueError(f"{path}, line {wrong[0]}: expected {ANNOTATION_HEADER}")
    return [person_of(parse_annotation(y, x, frame, f"{path}, {name}"), image=name) for name, y, x in rows]


def _unknown(name: str, seen: str) -> str:
    return f"{name}: holds {seen}, which is no known format of keypoints; known are {', '.join(SUPPORTED)}"


def _seen(content: Any) -> str:
    """What a JSON content is, in words."""
    if objects(content):
        return f"a list whose first item is {_seen(content[0])}"
    if isinstance(content, dict):
        keys = ", ".join(repr(key[:20]) for key in list(content)[:6])
        return f"an object with the keys {keys}" if keys else "an empty object"
    return f"{content!r:.40}"
