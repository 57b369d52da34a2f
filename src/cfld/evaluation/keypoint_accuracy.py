"""How well a detector finds the joints of a data set's people."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from tqdm import tqdm

from cfld.data.base import PoseDataset
from cfld.metrics.pose_accuracy import oks, pck
from cfld.poses.estimate import Detector
from cfld.poses.keypoints import Keypoints
from cfld.poses.people import choose_person
from cfld.poses.skeleton import NUM_JOINTS

NOBODY: Final = np.full((NUM_JOINTS, 2), np.nan)


@dataclass(frozen=True, kw_only=True)
class KeypointAccuracy:
    """Means over images.

    Attributes:
        images: how many.
        pck_10, pck_05: share of joints within 0.1 and 0.05 torso diagonals of the truth.
        oks: object keypoint similarity.
        found: share of the images in which somebody was found.
        invented: share of the truly missing joints that were reported all the same.
    """

    images: int
    pck_10: float
    pck_05: float
    oks: float
    found: float
    invented: float


def keypoint_accuracy(detector: Detector, dataset: PoseDataset) -> KeypointAccuracy:
    """The detector on every image of a data set; where it finds nobody, every joint is wrong.

    Of several people the largest counts.
    """
    rows, found, invented, missing = [], 0, 0, 0
    for name in tqdm(dataset.names, desc="finding joints", unit="image", disable=None):
        image = dataset.image(name).permute(1, 2, 0).contiguous().numpy()
        people = detector(image)
        pose = choose_person(people, 1, name).keypoints if people else Keypoints(NOBODY, image.shape[:2])
        truth = dataset.keypoints(name)
        rows.append((pck(truth, pose, 0.1), pck(truth, pose, 0.05), oks(truth, pose)))
        found += bool(people)
        invented += int((pose.visible & ~truth.visible).sum())
        missing += int((~truth.visible).sum())
    pck_10, pck_05, similarity = np.nanmean(np.array(rows), axis=0).tolist()
    return KeypointAccuracy(
        images=len(rows),
        pck_10=pck_10,
        pck_05=pck_05,
        oks=similarity,
        found=found / len(rows),
        invented=invented / missing if missing else math.nan,
    )
