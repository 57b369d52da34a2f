"""Every data set keeps the promise of `PoseDataset`: each row of the registry, and people drawn on the fly."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.data.base import SPLITS, PoseDataset
from cfld.data.lists import write_annotations, write_pairs
from cfld.data.registry import DATASETS, detect_dataset, open_dataset
from cfld.mannequin.dataset import MannequinDataset, write_mannequin
from cfld.poses.keypoints import Keypoints


def write_tree(kind: str, root: Path) -> None:
    """A small data set of any kind, from what its layout says."""
    if kind == "mannequin":
        write_mannequin(root, identities=2, poses=2, size=(64, 44))
        return
    layout, names = DATASETS[kind].layout, ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg"]
    for split in SPLITS:
        images, pairs, annotations = (
            root / spellings[0].format(split=split) for spellings in (layout.images, layout.pairs, layout.annotations)
        )
        images.mkdir(parents=True)
        for name in names:
            Image.new("RGB", layout.frame[::-1], "teal").save(images / name)
        write_pairs(pairs, [(names[0], names[1]), (names[1], names[0])])
        poses = np.random.default_rng(0).integers(-1, min(layout.frame), (2, 18, 2))
        write_annotations(annotations, {name: Keypoints(yx) for name, yx in zip(names, poses, strict=True)})


@pytest.fixture(params=[(kind, split) for kind in (*DATASETS, "on the fly") for split in SPLITS], ids=str)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> PoseDataset:
    kind, split = request.param
    if kind == "on the fly":
        return MannequinDataset(identities=1, poses=2, split=split)
    write_tree(kind, tmp_path / kind)
    assert detect_dataset(tmp_path / kind) == kind
    return open_dataset(kind, tmp_path / kind, split)


def test_it_is_a_pose_dataset(dataset: PoseDataset) -> None:
    assert isinstance(dataset, PoseDataset)
    assert len(dataset) == len(dataset.pairs) == 2
    assert {name for pair in dataset.pairs for name in pair} <= set(dataset.names)
    assert len(set(dataset.names)) == len(dataset.names)


def test_samples(dataset: PoseDataset) -> None:
    for index, (source, target) in enumerate(dataset.pairs):
        pair = dataset[index]
        assert (pair.source_name, pair.target_name, pair.frame) == (source, target, dataset.frame)
        assert pair.source_image.shape == pair.target_image.shape == (3, *pair.source_image.shape[1:])
        assert pair.source_image.dtype == pair.target_image.dtype == torch.uint8
        assert torch.equal(pair.target_image, dataset.image(target))
        assert torch.equal(pair.source_pose, torch.tensor(dataset.keypoints(source).yx))


def test_poses_lie_in_the_frame(dataset: PoseDataset) -> None:
    for pair in (dataset[index] for index in range(len(dataset))):
        for pose in (pair.source_pose, pair.target_pose):
            assert (pose.shape, pose.dtype) == ((18, 2), torch.float32)
            visible = pose[(pose != -1).all(dim=1)]
            assert len(visible) > 0
            assert (visible >= 0).all()
            assert (visible <= torch.tensor(dataset.frame)).all()


def test_ends_and_unknown_names(dataset: PoseDataset) -> None:
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    for read in (dataset.image, dataset.keypoints):
        with pytest.raises(ValueError, match=r"nobody\.jpg"):
            read("nobody.jpg")


def test_workers_can_have_it(dataset: PoseDataset) -> None:
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[0].source_image, dataset[0].source_image)
