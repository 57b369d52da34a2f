"""Every row of the registries, found by walking: a new metric is tested by its row."""

from __future__ import annotations

import subprocess
import sys
import typing

import numpy as np
import pytest

from cfld.cli.evaluate import Images
from cfld.metrics.base import ImageMetric, Metric, PoseMetric
from cfld.metrics.protocols import PROTOCOLS
from cfld.metrics.registry import IDENTITY_FEATURES, IMAGE_METRICS, METRICS
from cfld.poses.keypoints import Keypoints

TRUTH, PREDICTION = np.random.default_rng(0).random((2, 3, 64, 44))


def of_kind(kind: type[Metric]) -> list[str]:
    return [name for name, metric in METRICS.items() if isinstance(metric, kind)]


def test_fid_alone_has_no_value_per_image() -> None:
    assert set(METRICS) - set(IMAGE_METRICS) == {"fid"}


def test_titles_are_unique() -> None:
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", of_kind(ImageMetric))
def test_image_metrics_prefer_the_truth(name: str, protocol: str) -> None:
    metric = METRICS[name]
    assert isinstance(metric, ImageMetric)
    if metric.in_protocol(PROTOCOLS[protocol]):
        perfect, noise = (metric.compute(TRUTH, other, PROTOCOLS[protocol]) for other in (TRUTH, PREDICTION))
        assert (perfect > noise) == metric.higher_is_better


@pytest.mark.parametrize("name", of_kind(PoseMetric))
def test_pose_metrics_prefer_the_target_pose(name: str, poses: list[Keypoints]) -> None:
    metric = METRICS[name]
    assert isinstance(metric, PoseMetric)
    right, wrong = (metric.compute(poses[0], detected) for detected in poses[:2])
    assert (right > wrong) == metric.higher_is_better


@pytest.mark.parametrize("name", IDENTITY_FEATURES)
def test_identity_features_are_of_unit_length(name: str) -> None:
    images = np.stack([TRUTH, PREDICTION]).astype(np.float32)
    inception = np.random.default_rng(1).random((2, 2048), dtype=np.float32)
    features = IDENTITY_FEATURES[name].extract(images, inception)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


def test_the_command_offers_every_row() -> None:
    hints = typing.get_type_hints(Images)
    assert typing.get_args(hints["protocol"]) == tuple(PROTOCOLS)
    assert typing.get_args(typing.get_args(hints["sort"])[0]) == tuple(IMAGE_METRICS)
    assert typing.get_args(typing.get_args(hints["identity"])[0]) == tuple(IDENTITY_FEATURES)


def test_the_command_line_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, cfld.cli; assert not {'torch', 'numpy', 'skimage', 'scipy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
