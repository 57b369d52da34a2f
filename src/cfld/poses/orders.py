"""Orders of joints in other programs' keypoints, and their conversion to the 18 of OpenPose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cfld.poses.people import CONFIDENCE
from cfld.poses.skeleton import JOINTS

Order: TypeAlias = Mapping[str, int]
"""Name of a joint, as in `JOINTS` -> its position among a program's keypoints. Other keypoints are ignored."""

PAIRED: Final = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_JOINTS: Final = ("nose", *(f"{side}_{joint}" for joint in PAIRED for side in ("left", "right")))
"""In COCO's order (Lin et al., 2014)."""
COCO: Final[Order] = {name: number for number, name in enumerate(COCO_JOINTS)}
WHOLE_BODY: Final = 133
"""Keypoints of COCO-WholeBody, the first 17 of which are COCO's (Jin et al., 2020)."""
HALPE: Final[Order] = {**COCO, "neck": 18}
"""Halpe's 26 and 136 keypoints (Fang et al., 2022): COCO's, then head, neck, mid-hip and the feet."""
OPENPOSE: Final[Order] = {name: number for number, name in enumerate(JOINTS)}
BODY_25: Final[Order] = {name: number + (number >= 8) for name, number in OPENPOSE.items()}
"""OpenPose's BODY_25, which has a mid-hip joint after the wrists and the feet last."""
MPI: Final[Order] = {name: number for name, number in OPENPOSE.items() if 1 <= number <= 13}
"""OpenPose's 15 joints of MPI: the top of the head instead of the nose, and the chest last."""
LANDMARKS: Final = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""Indices of COCO's 17 joints, in their order, among MediaPipe's 33 landmarks."""
MEDIAPIPE: Final[Order] = dict(zip(COCO_JOINTS, LANDMARKS, strict=True))

OPENPOSE_ORDERS: Final[Mapping[int, Order]] = {25: BODY_25, 18: OPENPOSE, 15: MPI}
COCO_ORDERS: Final[Mapping[int, Order]] = {17: COCO, 26: HALPE, WHOLE_BODY: COCO, 136: HALPE}
"""Number of keypoints -> their order."""


def from_order(
    order: Order,
    yx: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    confidence: float = CONFIDENCE,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Converts a program's keypoints to OpenPose's 18 joints.

    A neck that the order lacks is the midpoint of the shoulders, with the lower of their scores; it is missing if
    either shoulder is. Other joints that it lacks are missing.

    Args:
        order: of the keypoints.
        yx: (number of keypoints, 2).
        scores: (number of keypoints,).
        confidence: joints with a score of 0 or a lower score are missing.

    Returns:
        positions (18, 2), NaN for missing joints, and scores (18,).
    """
    joints, found = np.full((len(JOINTS), 2), np.nan), np.zeros(len(JOINTS))
    for number, name in enumerate(JOINTS):
        if name in order:
            joints[number], found[number] = yx[order[name]], scores[order[name]]
        elif name == "neck":
            shoulders = [order["left_shoulder"], order["right_shoulder"]]
            joints[number], found[number] = yx[shoulders].mean(axis=0), scores[shoulders].min()
    certain = (found >= confidence) & (found > 0)
    return np.where(certain[:, None], joints, np.nan).astype(np.float32), found.astype(np.float32)
