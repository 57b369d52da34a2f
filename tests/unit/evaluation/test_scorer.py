"""Rows of the table: figures by every protocol, damaged images, identities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cfld.data.folder import FolderDataset
from cfld.evaluation.filename_patterns import match_names
from cfld.evaluation.networks import Networks
from cfld.evaluation.preparation import Preparation
from cfld.evaluation.scorer import Method, Scorer
from cfld.metrics.fid import FeatureStatistics, frechet_distance
from cfld.metrics.protocols import PROTOCOLS
from support.metrics import SIZE


@pytest.fixture
def blurred(data: FolderDataset, tmp_path: Path) -> Callable[..., Method]:
    """Writes a folder of blurred true images."""

    def make(radius: float = 1, size: tuple[int, int] = SIZE) -> Method:
        folder = tmp_path / f"blurred{radius}"
        folder.mkdir()
        for source, target in data.pairs:
            image = Image.open(data.path(target)).filter(ImageFilter.GaussianBlur(radius))
            name = f"{Path(source).stem}_to_{Path(target).stem}.png"
            image.resize(size[::-1], Image.Resampling.BICUBIC).save(folder / name)
        return Method(name="blurred", files=match_names(folder, data.pairs))

    return make


def truth_row(data: FolderDataset) -> Method:
    return Method(name="truth", files={pair: data.path(pair[1]) for pair in data.pairs}, is_truth=True)


def scorer(data: FolderDataset, protocol: str = "cfld", networks: Networks = Networks()) -> Scorer:  # noqa: B008
    return Scorer(data, Preparation(PROTOCOLS[protocol], SIZE), networks)


def stored(path: Path) -> NDArray[np.float32]:
    return np.asarray(Image.open(path)).transpose(2, 0, 1).astype(np.float32) / 255


def test_figures_are_those_of_scikit_image(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    row = scorer(data).score(method)
    assert [(score.source, score.target) for score in row.pairs] == list(data.pairs)
    for score in row.pairs:
        truth, prediction = stored(data.path(score.target)), stored(score.file)
        span = prediction.max() - prediction.min()
        assert score.figures["psnr"] == pytest.approx(
            peak_signal_noise_ratio(truth, prediction, data_range=1), abs=1e-5
        )
        assert score.figures["ssim"] == pytest.approx(
            structural_similarity(truth, prediction, data_range=1, win_size=43, channel_axis=0), abs=1e-6
        )
        assert score.figures["ssim_256"] == pytest.approx(
            structural_similarity(
                truth,
                prediction,
                data_range=span,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                channel_axis=0,
            ),
            abs=1e-6,
        )
    assert row.figures["psnr"] == pytest.approx(np.mean([score.figures["psnr"] for score in row.pairs]))
    assert not row.damaged
    assert not row.problem


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_truth_is_perfect_by_every_protocol(protocol: str, data: FolderDataset, networks: Networks) -> None:
    without_inception = replace(networks, inception=None)
    figures = scorer(data, protocol, without_inception).score(truth_row(data)).figures
    assert figures["psnr"] == math.inf
    assert figures["ssim"] == pytest.approx(1)
    assert figures["lpips"] == 0
    assert ("ssim_256" in figures) == (protocol != "standard")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_more_blur_is_worse(protocol: str, data: FolderDataset, blurred: Callable[..., Method]) -> None:
    little, much = (scorer(data, protocol).score(blurred(radius)).figures for radius in (0.5, 2))
    assert all(little[name] > much[name] for name in little)


def test_network_figures_stream(data: FolderDataset, blurred: Callable[..., Method], networks: Networks) -> None:
    method, reference = blurred(), FeatureStatistics()
    reference.update(np.random.default_rng(0).normal(size=(9, 64)))
    preparation = Preparation(PROTOCOLS["cfld"], SIZE)
    row = Scorer(data, preparation, networks, reference.gaussian()).score(method)
    prediction = torch.from_numpy(np.stack([stored(path) for path in method.files.values()]))
    truth = torch.from_numpy(np.stack([stored(data.path(target)) for _, target in method.files]))
    at_once = FeatureStatistics()
    with torch.no_grad():
        at_once.update(networks.inception.network(prediction).numpy())
        lpips = networks.of_metrics["lpips"].network(2 * truth - 1, 2 * prediction - 1).numpy()
    assert row.figures["fid"] == pytest.approx(frechet_distance(reference.gaussian(), at_once.gaussian()), rel=1e-5)
    np.testing.assert_allclose([score.figures["lpips"] for score in row.pairs], lpips, rtol=1e-4)


def test_pcdms_leaves_lpips_in_zero_to_one(
    data: FolderDataset, blurred: Callable[..., Method], networks: Networks
) -> None:
    method, without_inception = blurred(), replace(networks, inception=None)
    pcdms, pidm = (scorer(data, name, without_inception).score(method).figures["lpips"] for name in ("pcdms", "pidm"))
    assert pcdms < 0.9 * pidm


def test_damaged_images_are_listed_and_the_others_scored(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    first, *_, last = method.files.values()
    first.write_bytes(first.read_bytes()[:200])
    last.write_bytes(b"")
    row = scorer(data).score(method)
    assert len(row.pairs) == len(data.pairs) - 2
    assert [str(path) in line for path, line in zip((first, last), row.damaged, strict=True)] == [True, True]
    assert row.figures["psnr"] > 0


def test_one_image_too_few(data: FolderDataset, blurred: Callable[..., Method]) -> None:
    method = blurred()
    one = replace(method, files=dict([next(iter(method.files.items()))]))
    row = scorer(data).score(one)
    assert "at least 2 images, got 1" in row.problem
    assert row.figures["psnr"] > 0


def test_pose_metrics_are_computed_where_poses_were_detected(
    data: FolderDataset, blurred: Callable[..., Method]
) -> None:
    method = blurred()
    poses = {pair: data.keypoints(pair[1]).scaled((512, 352)) for pair in data.pairs}
    figures = scorer(data).score(replace(method, poses=poses)).figures
    assert figures["pck_0.1"] == figures["pck_0.2"] == 1
    assert figures["oks"] > 0.99
    assert "oks" not in scorer(data).score(method).figures


@pytest.mark.parametrize("kind", ["colours", "inception"])
def test_identity(kind: str, data: FolderDataset, networks: Networks) -> None:
    subject = scorer(data, networks=networks if kind == "inception" else Networks())
    gallery = subject.gallery(kind)
    assert len(gallery.names) == 6
    assert len(set(gallery.people.values())) == 2
    right = subject.score(truth_row(data), gallery).figures
    assert right["identity_rank_1"] == 1
    other = dict(zip(data.pairs, [*data.pairs[6:], *data.pairs[:6]], strict=True))
    wrong_files = {pair: data.path(other[pair][1]) for pair in data.pairs}
    wrong = subject.score(Method(name="other people", files=wrong_files), gallery).figures
    assert wrong["identity_rank_1"] == 0
    assert wrong["identity_map"] < right["identity_map"]


def test_identity_without_its_weights(data: FolderDataset) -> None:
    with pytest.raises(ValueError, match="need the weights of Inception-v3"):
        scorer(data).gallery("inception")
