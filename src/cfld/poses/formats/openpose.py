"""JSON of OpenPose and of the programs that followed it.

OpenPose 1.1 to 1.7   {"people": [{"pose_keypoints_2d": [x, y, confidence, ... 25, 18 or 15 times]}]}, a file an image;
                      "pose_keypoints" before 1.2; 25 joints are BODY_25, 18 COCO, 15 MPI (its doc/02_output.md)
ControlNet            the same with canvas_width and canvas_height, as controlnet_aux, DWPose, sd-webui-openpose-editor
                      and ComfyUI's nodes write it, in pixels or as fractions of the canvas; or a list of such images
AlphaPose             with --format open or cmu: image name -> {"people": ...} or {"bodies": [{"joints": [...]}]}
editors               {"width": w, "height": h, "keypoints": [[x, y], ... 18 times a person]}, of openpose-editor for
                      the web UI and of ComfyUI-OpenPose-Editor
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cfld.poses.formats.content import Described, image_size, objects, rows
from cfld.poses.orders import OPENPOSE_ORDERS
from cfld.poses.skeleton import NUM_JOINTS

PEOPLE: Final = ("people", "bodies")
KEYPOINTS: Final = ("pose_keypoints_2d", "pose_keypoints", "joints")


def read_openpose(content: Any) -> list[Described] | None:
    """OpenPose, ControlNet, AlphaPose; see `content.Format`."""
    if _people(content) is not None:
        return _image(content, "")
    images = {f"image {number}": image for number, image in enumerate(objects(content), start=1)}
    images = content if isinstance(content, dict) else images
    if not images or any(_people(image) is None for image in images.values()):
        return None
    return [person for name, image in images.items() for person in _image(image, name)]


def read_editor(content: Any) -> list[Described] | None:
    """The editors of the web UI and of ComfyUI; see `content.Format`."""
    if not isinstance(content, dict) or not {"width", "height", "keypoints"} <= content.keys():
        return None
    xy = rows(content["keypoints"], 2, "keypoints", "x, y")
    if len(xy) % NUM_JOINTS:
        raise ValueError(f"keypoints: has {len(xy)} joints; expected {NUM_JOINTS} for each person")
    size = image_size(content["height"], content["width"])
    return [
        Described(xy=joints, scores=np.ones(NUM_JOINTS), orders=OPENPOSE_ORDERS, what=f"person {number}", size=size)
        for number, joints in enumerate(xy.reshape(-1, NUM_JOINTS, 2), start=1)
    ]


def _people(image: Any) -> list[Any] | None:
    found = [image.get(key) for key in PEOPLE] if isinstance(image, dict) else []
    return next((people for people in found if isinstance(people, list)), None)


def _image(image: Mapping[str, Any], name: str) -> list[Described]:
    size = image_size(image.get("canvas_height"), image.get("canvas_width"))
    return [
        _person(person, f"person {number}{f' of {name}' if name else ''}", size, name)
        for number, person in enumerate(_people(image) or [], start=1)
        if isinstance(person, dict) and any(person.get(key) for key in KEYPOINTS)
    ]


def _person(person: Mapping[str, Any], what: str, size: tuple[int, int] | None, image: str) -> Described:
    key = next(key for key in KEYPOINTS if person.get(key))
    joints = rows(person[key], 3, f"{key} of {what}")
    return Described(xy=joints[:, :2], scores=joints[:, 2], orders=OPENPOSE_ORDERS, what=what, size=size, image=image)
