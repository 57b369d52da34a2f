from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import structural_similarity_index_measure

from cfld.metrics.protocols import PROTOCOLS, SSIMVariant
from cfld.metrics.ssim import ssim

Image = NDArray[np.float32]


@pytest.fixture
def pair() -> tuple[Image, Image]:
    rng = np.random.default_rng(0)
    truth = rng.random((3, 64, 60), dtype=np.float32)
    return truth, (truth + 0.1 * rng.standard_normal(truth.shape, dtype=np.float32)).clip(0, 1)


def test_standard_agrees_with_torchmetrics_where_windows_lie_inside(pair: tuple[Image, Image]) -> None:
    """Its mean includes windows that extend over the mirrored border; those of Wang et al. and scikit-image do not."""
    truth, prediction = (torch.from_numpy(image)[None] for image in pair)
    _, full = structural_similarity_index_measure(prediction, truth, data_range=1.0, return_full_image=True)
    assert ssim(*pair, PROTOCOLS["standard"].ssim) == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-5)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_equal_images(name: str, pair: tuple[Image, Image]) -> None:
    protocol, (truth, _) = PROTOCOLS[name], pair
    for variant in filter(None, (protocol.ssim, protocol.ssim_256)):
        assert ssim(truth, truth, variant) == pytest.approx(1)


def test_white_margins_raise_ssim(pair: tuple[Image, Image]) -> None:
    padded = tuple(np.pad(image, ((0, 0), (0, 0), (20, 20)), constant_values=1) for image in pair)
    assert ssim(*padded, SSIMVariant(window=51)) > ssim(*pair, SSIMVariant(window=51)) + 0.01


def test_a_window_that_does_not_fit_becomes_the_largest_odd_one(pair: tuple[Image, Image]) -> None:
    cut = tuple(image[:, :44, :44] for image in pair)
    assert ssim(*cut, SSIMVariant(window=51)) == ssim(*cut, SSIMVariant(window=43))


def test_the_value_range_of_the_prediction(pair: tuple[Image, Image]) -> None:
    truth, prediction = (0.5 * image for image in pair)
    one, own = (ssim(truth, prediction, SSIMVariant(sigma=1.5, value_range=r)) for r in ("one", "prediction"))
    assert one > own


def test_a_black_image_has_a_finite_value(pair: tuple[Image, Image]) -> None:
    """Its value range is zero, and one such image must not turn the mean over all into NaN."""
    black = np.zeros_like(pair[0])
    assert 0 <= ssim(pair[0], black, SSIMVariant(sigma=1.5, value_range="prediction")) < 0.1
