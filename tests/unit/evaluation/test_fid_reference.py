from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfld.data.registry import open_dataset
from cfld.evaluation.fid_reference import load_gaussian, reference_names, reference_statistics, save_gaussian
from cfld.evaluation.networks import Networks
from cfld.evaluation.preparation import Preparation
from cfld.metrics.fid import Gaussian
from cfld.metrics.protocols import PROTOCOLS
from support.metrics import SIZE


def test_remainders_are_dropped(root: Path) -> None:
    train = open_dataset("mannequin", root, "train")
    assert len(reference_names(train, PROTOCOLS["cfld"])) == 18
    assert len(reference_names(train, replace(PROTOCOLS["pidm"], fid_batch=8))) == 16
    with pytest.raises(ValueError, match="18 training images in whole batches of 64 are too few"):
        reference_names(train, PROTOCOLS["pidm"])


def test_computed_once(root: Path, networks: Networks, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "data"))
    train = open_dataset("mannequin", copy, "train")
    inception = networks.inception
    arguments = (train, train.names[:3], Preparation(PROTOCOLS["cfld"], SIZE), inception, tmp_path / "cache")
    first = reference_statistics(*arguments)
    assert first.n == 3
    (kept,) = (tmp_path / "cache").iterdir()
    stamp = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(reference_statistics(*arguments).covariance, first.covariance)
    assert kept.stat().st_mtime_ns == stamp
    changed = train.path(train.names[0])
    date = changed.stat()
    other = Image.open(train.path(train.names[1])).copy()
    other.save(changed, quality=50)
    os.utime(changed, ns=(date.st_atime_ns, date.st_mtime_ns))  # the content alone tells
    assert (reference_statistics(*arguments).mean != first.mean).any()
    others = replace(inception, sha256="2" * 64)
    reference_statistics(*arguments[:3], others, arguments[-1])
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_damaged_images_are_all_named(root: Path, networks: Networks, tmp_path: Path) -> None:
    train = open_dataset("mannequin", Path(shutil.copytree(root, tmp_path / "data")), "train")
    for name in train.names[1:3]:
        train.path(name).write_bytes(b"x")
    preparation = Preparation(PROTOCOLS["cfld"], SIZE)
    with pytest.raises(ValueError, match=f"2 images .*{train.names[1]}.*{train.names[2]}"):
        reference_statistics(train, train.names[:4], preparation, networks.inception, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def gaussian() -> Gaussian:
    features = np.random.default_rng(0).normal(size=(9, 8))
    return Gaussian(features.mean(0), np.cov(features, rowvar=False), 9)


def test_statistics_are_saved_and_loaded(gaussian: Gaussian, tmp_path: Path) -> None:
    save_gaussian(gaussian, tmp_path / "real.npz")
    loaded = load_gaussian(tmp_path / "real.npz")
    assert loaded.n == 9
    np.testing.assert_array_equal(loaded.mean, gaussian.mean)
    np.testing.assert_array_equal(loaded.covariance, gaussian.covariance)


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_damaged_file_of_statistics(kept: int, gaussian: Gaussian, tmp_path: Path) -> None:
    path = tmp_path / "real.npz"
    save_gaussian(gaussian, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"real\.npz: not a file of FID statistics"):
        load_gaussian(path)
