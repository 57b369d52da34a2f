"""How near a person's joints are to where they should be: PCK and OKS."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import JOINTS

TORSO: Final = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
"""The torso's diagonal (Sapp and Taskar, 2013), and the other one where a joint of the first is missing."""

SIGMAS: Final = {
    **{"nose": 0.026, "eye": 0.025, "ear": 0.035, "neck": 0.079},
    **{"shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089},
}
"""COCO's; its 17 joints lack the neck, which gets the shoulders'."""

BODY_SHARE_OF_BOX: Final = 0.53
"""What MMPose takes for the share of a person's box that the person covers, where no outline is known."""


def pck(truth: Keypoints, found: Keypoints, alpha: float) -> float:
    """Percentage of correct keypoints, as a share: joints found within `alpha` torso diagonals of the truth.

    Joints that the truth lacks do not count; those that `found` lacks are wrong.

    Args:
        truth, found: any frames; `found` is scaled to the truth's.

    Returns:
        NaN where no torso diagonal is known.
    """
    torso = _torso_diagonal(truth)
    return math.nan if torso is None else float((_distances(truth, found) <= alpha * torso).mean())


def oks(truth: Keypoints, found: Keypoints) -> float:
    """Object keypoint similarity, exp(-d^2 / (2 s^2 k^2)) averaged over joints, with COCO's k = 2 sigma.

    s^2 is the area that the person covers: a share of the box around the true joints. Joints as in `pck`.

    Returns:
        NaN where fewer than two true joints make a box.
    """
    seen = truth.visible
    area = BODY_SHARE_OF_BOX * float(np.ptp(truth.yx[seen], axis=0).prod()) if seen.any() else 0.0
    if area == 0:
        return math.nan
    sigmas = np.array([SIGMAS[name.rpartition("_")[2]] for name in JOINTS])[seen]
    return float(np.exp(-(_distances(truth, found) ** 2) / (2 * area * (2 * sigmas) ** 2)).mean())


def _distances(truth: Keypoints, found: Keypoints) -> NDArray[np.float64]:
    """Pixels of the truth's frame, for each joint that the truth has; infinite where `found` has none."""
    found = found.scaled(truth.frame)
    distances = np.linalg.norm((found.yx - truth.yx).astype(np.float64), axis=1)
    return np.where(found.visible, distances, np.inf)[truth.visible]


def _torso_diagonal(pose: Keypoints) -> float | None:
    for names in TORSO:
        a, b = (JOINTS.index(name) for name in names)
        if pose.visible[[a, b]].all():
            return float(np.linalg.norm(pose.yx[a] - pose.yx[b])) or None
    return None
