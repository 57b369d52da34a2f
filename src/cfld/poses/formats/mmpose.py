"""JSON of MMPose 1.x, as its inferencer and its demo scripts write it.

a person      {"keypoints": [[x, y], ...], "keypoint_scores": [...], "bbox": ...}; 17, 26, 133 or 136 keypoints
an image      a list of people
a video       a list of {"frame_id": 0, "instances": [people]}
the demos     {"meta_info": ..., "instance_info": [people, or frames of a video]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfld.poses.formats.content import Described, objects, rows
from cfld.poses.orders import COCO_ORDERS


def read_mmpose(content: Any) -> list[Described] | None:
    """See `content.Format`."""
    if isinstance(content, dict) and "instance_info" in content:
        content = content["instance_info"]
    items = [content] if isinstance(content, dict) else objects(content)
    if items and all("keypoint_scores" in item for item in items):
        return [_person(person, f"person {number}", "") for number, person in enumerate(items, start=1)]
    if not items or not all(isinstance(item.get("instances"), list) for item in items):
        return None
    frames = [(f"frame {item.get('frame_id', number)}", item["instances"]) for number, item in enumerate(items)]
    return [
        _person(person, f"person {number} of {name}", name if len(items) > 1 else "")
        for name, people in frames
        for number, person in enumerate(objects(people), start=1)
    ]


def _person(person: Mapping[str, Any], what: str, image: str) -> Described:
    xy = rows(person.get("keypoints"), 2, f"keypoints of {what}", "x, y")
    scores = rows(person.get("keypoint_scores"), 1, f"keypoint_scores of {what}", "from 0 to 1")[:, 0]
    if len(scores) != len(xy):
        raise ValueError(f"{what} has {len(xy)} joints of x, y, but {len(scores)} scores")
    return Described(xy=xy, scores=scores, orders=COCO_ORDERS, what=what, image=image)
