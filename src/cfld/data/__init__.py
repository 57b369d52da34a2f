"""Pairs of pictures of one person with their poses: the protocol, the data sets on disk, drawn people, transforms."""

from cfld.data.base import PoseDataset
from cfld.data.registry import DATASETS, detect_dataset, open_dataset

__all__ = ["DATASETS", "PoseDataset", "detect_dataset", "open_dataset"]
