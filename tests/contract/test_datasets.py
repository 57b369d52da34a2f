"""Every data set of the registries keeps the promise of `PoseDataset`."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfld.data.base import PoseDataset
from cfld.data.layout import SPLITS, Layout, Preparation
from cfld.data.lists import write_annotations, write_names, write_pairs
from cfld.data.registry import DATASETS, PROCEDURAL_DATASETS, detect_dataset, open_dataset
from cfld.poses.keypoints import Keypoints

NAMES = ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg"]


def write_folder(layout: Layout, root: Path) -> None:
    """A small data set of any kind, as its layout says."""
    root.mkdir()
    if layout.marker is not None:
        (root / layout.marker).touch()
    for split in SPLITS:
        images, pairs, annotations = (
            root / names[0].format(split=split) for names in (layout.images, layout.pairs, layout.annotations)
        )
        images.mkdir()
        for name in NAMES:
            Image.new("RGB", layout.frame[::-1], "teal").save(images / name)
        if layout.names:
            write_names(root / layout.names[0].format(split=split), NAMES)
        write_pairs(pairs, [(NAMES[0], NAMES[1]), (NAMES[1], NAMES[0])])
        poses = np.random.default_rng(0).integers(-1, min(layout.frame), (2, 18, 2))
        write_annotations(annotations, {name: Keypoints(yx) for name, yx in zip(NAMES, poses, strict=True)})


KINDS = [*DATASETS, *(f"procedural {kind}" for kind in PROCEDURAL_DATASETS)]


@pytest.fixture(params=[f"{kind} {split}" for kind in KINDS for split in SPLITS])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> PoseDataset:
    *procedural, kind, split = request.param.split()
    if procedural:
        make = PROCEDURAL_DATASETS[kind]
        return make(identities=1, poses=2, seed=0, split=split, size=(256, 176), cache_in_memory=False)
    write_folder(DATASETS[kind], tmp_path / kind)
    assert detect_dataset(tmp_path / kind) == kind
    return open_dataset(kind, tmp_path / kind, split)


@pytest.mark.parametrize("kind", DATASETS)
def test_it_can_be_prepared(kind: str) -> None:
    assert issubclass(DATASETS[kind].prepare, Preparation)


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
