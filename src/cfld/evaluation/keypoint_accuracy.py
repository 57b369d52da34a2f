"""Accuracy of a keypoint detector on the images of a data set."""

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
        images: number of images.
        pck_10, pck_05: fraction of joints within 0.1 and 0.05 torso diagonals of the truth.
        oks: object keypoint similarity.
        found: fraction of images in which a person was found.
        invented: fraction of the truly missing joints that were detected nevertheless.
    """

    images: int
    pck_10: float
    pck_05: float
    oks: float
    found: float
    invented: float


def keypoint_accuracy(detector: Detector, dataset: PoseDataset) -> KeypointAccuracy:
    """Runs the detector on every image. Of several people the largest counts; without any, every joint is wrong."""
    rows, invented, missing = [], 0, 0
    for name in tqdm(dataset.names, desc="detecting keypoints", unit="image", disable=None):
        image = dataset.image(name).permute(1, 2, 0).contiguous().numpy()
        people = detector(image)
        pose = choose_person(people, 1, name).keypoints if people else Keypoints(NOBODY, image.shape[:2])
        truth = dataset.keypoints(name)
        rows.append((pck(truth, pose, 0.1), pck(truth, pose, 0.05), oks(truth, pose), float(bool(people))))
        invented += int((pose.visible & ~truth.visible).sum())
        missing += int((~truth.visible).sum())
    pck_10, pck_05, similarity, found = np.nanmean(np.array(rows), axis=0).tolist()
    return KeypointAccuracy(
        images=len(rows),
        pck_10=pck_10,
        pck_05=pck_05,
        oks=similarity,
        found=found,
        invented=invented / missing if missing else math.nan,
    )
