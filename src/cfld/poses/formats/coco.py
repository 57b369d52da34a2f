"""Keypoint JSON of COCO, of its relatives, and of AlphaPose.

annotations   {"annotations": [{"keypoints": [x, y, v, ... 17 times], "image_id": 7}], "images": [{"id": 7, "height": h,
              "width": w, "file_name": name}]}; v is 0 (absent), 1 (hidden) or 2
results       the list [{"keypoints": ..., "image_id": 7, "score": 0.9}] alone, or one entry of it; v is a confidence
AlphaPose     such a list; image_id is the name of the image
relatives     COCO-WholeBody has 133 keypoints, Halpe 26 or 136
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfld.poses.formats.content import Described, image_size, objects, rows
from cfld.poses.orders import COCO_ORDERS


def is_annotation(content: Any) -> bool:
    """Whether a JSON content is one of COCO's annotations; this project's own keypoints are pairs, not numbers."""
    numbers = content.get("keypoints") if isinstance(content, dict) else None
    return isinstance(numbers, list) and bool(numbers) and all(isinstance(n, int | float) for n in numbers[:3])


def read_coco(content: Any) -> list[Described] | None:
    """See `content.Format`."""
    if isinstance(content, dict) and "annotations" in content:
        annotations, images = content["annotations"], content.get("images", [])
    elif is_annotation(content):
        annotations, images = [content], []
    elif objects(content) and all(map(is_annotation, content)):
        annotations, images = content, []
    else:
        return None
    if not isinstance(annotations, list) or not isinstance(images, list):
        raise ValueError('"annotations" and "images" must be lists')
    by_id = {str(image.get("id")): image for image in images if isinstance(image, dict)}
    return [
        _person(annotation, f"annotation {number}", by_id.get(str(annotation.get("image_id")), {}))
        for number, annotation in enumerate(annotations, start=1)
        if isinstance(annotation, dict) and annotation.get("keypoints")
    ]


def _person(annotation: Mapping[str, Any], what: str, image: Mapping[str, Any]) -> Described:
    joints = rows(annotation["keypoints"], 3, f"keypoints of {what}", "x, y, v")
    return Described(
        xy=joints[:, :2],
        scores=joints[:, 2],
        orders=COCO_ORDERS,
        what=what,
        size=image_size(image.get("height"), image.get("width")),
        image=str(image.get("file_name", annotation.get("image_id", ""))),
    )
