"""Accuracy of detected keypoints: PCK and OKS."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cfld.metrics.base import PoseMetric
from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import JOINTS

TORSO: Final = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
"""Diagonal of the torso (Sapp and Taskar, 2013), and the other one if a joint of the first is missing."""

SIGMAS: Final = {
    **{"nose": 0.026, "eye": 0.025, "ear": 0.035, "neck": 0.079},
    **{"shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107, "knee": 0.087, "ankle": 0.089},
}
"""COCO's; the neck, which COCO lacks, has the value of the shoulders."""

BODY_SHARE_OF_BOX: Final = 0.53
"""Fraction of a bounding box that a person covers, as MMPose assumes where no segmentation is known."""


def pck(truth: Keypoints, found: Keypoints, alpha: float) -> float:
    """Returns the fraction of correct keypoints: joints found within `alpha` torso diagonals of the truth.

    Joints missing in the truth are ignored; those missing in `found` are wrong.

    Args:
        truth, found: with any frames; `found` is scaled to the truth's.

    Returns:
        in [0, 1]; NaN if no diagonal of the true torso is known.
    """
    torso = _torso_diagonal(truth)
    return math.nan if torso is None else float((_distances(truth, found) <= alpha * torso).mean())


def oks(truth: Keypoints, found: Keypoints) -> float:
    """Returns the object keypoint similarity: exp(-d^2 / (2 s^2 k^2)) averaged over joints, with COCO's k = 2 sigma.

    s^2 is the area that the person covers, estimated from the bounding box of the true joints. Arguments and missing
    joints as in `pck`.

    Returns:
        in [0, 1]; NaN if the bounding box has no area.
    """
    seen = truth.visible
    area = BODY_SHARE_OF_BOX * float(np.ptp(truth.yx[seen], axis=0).prod()) if seen.any() else 0.0
    if area == 0:
        return math.nan
    sigmas = np.array([SIGMAS[name.rpartition("_")[2]] for name in JOINTS])[seen]
    return float(np.exp(-(_distances(truth, found) ** 2) / (2 * area * (2 * sigmas) ** 2)).mean())


def _distances(truth: Keypoints, found: Keypoints) -> NDArray[np.float64]:
    """In pixels of the truth's frame, for each visible true joint; infinite if missing in `found`."""
    found = found.scaled(truth.frame)
    distances = np.linalg.norm((found.yx - truth.yx).astype(np.float64), axis=1)
    return np.where(found.visible, distances, np.inf)[truth.visible]


def _torso_diagonal(pose: Keypoints) -> float | None:
    for names in TORSO:
        a, b = (JOINTS.index(name) for name in names)
        if pose.visible[[a, b]].all():
            return float(np.linalg.norm(pose.yx[a] - pose.yx[b])) or None
    return None


PCK_10: Final = PoseMetric(title="PCK@0.1", higher_is_better=True, compute=partial(pck, alpha=0.1))
PCK_20: Final = PoseMetric(title="PCK@0.2", higher_is_better=True, compute=partial(pck, alpha=0.2))
OKS: Final = PoseMetric(title="OKS", higher_is_better=True, compute=oks)
