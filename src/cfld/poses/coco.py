"""COCO's 17 joints, and their conversion to the 18 of OpenPose."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfld.poses.people import CONFIDENCE
from cfld.poses.skeleton import JOINTS

PAIRED: Final = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
COCO_JOINTS: Final = ("nose", *(f"{side}_{joint}" for joint in PAIRED for side in ("left", "right")))
"""In COCO's order (Lin et al., 2014)."""
WHOLE_BODY: Final = 133
"""Keypoints of COCO-WholeBody, the first 17 of which are COCO's (Jin et al., 2020)."""


def from_coco(
    yx: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]], confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Converts COCO's joints to OpenPose's.

    The neck is the midpoint of the shoulders, with the lower of their scores; it is missing if either shoulder is.

    Args:
        yx: (17 or more, 2); joints after the 17th are ignored.
        scores: (17 or more,).
        confidence: joints with a lower score are missing.

    Returns:
        positions (18, 2), NaN for missing joints, and scores (18,).
    """
    index = {name: number for number, name in enumerate(COCO_JOINTS)}
    shoulders = [index["left_shoulder"], index["right_shoulder"]]
    positions = [yx[shoulders].mean(axis=0) if name == "neck" else yx[index[name]] for name in JOINTS]
    converted = [scores[shoulders].min() if name == "neck" else scores[index[name]] for name in JOINTS]
    return without_uncertain(np.array(positions), np.array(converted), confidence)


def without_uncertain(
    yx: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]], confidence: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Replaces the positions of joints with a score of 0 or below `confidence` by NaN."""
    certain = (scores >= confidence) & (scores > 0)
    return np.where(certain[:, None], yx, np.nan).astype(np.float32), scores.astype(np.float32)
