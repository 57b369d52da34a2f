from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from cfld.metrics.psnr import psnr

SHAPE = (3, 64, 60)


def test_agrees_with_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(SHAPE, dtype=np.float32)
    prediction = (truth + 0.1 * rng.standard_normal(SHAPE, dtype=np.float32)).clip(0, 1)
    expected = peak_signal_noise_ratio(torch.from_numpy(prediction), torch.from_numpy(truth), data_range=1.0)
    assert psnr(truth, prediction) == pytest.approx(float(expected), abs=1e-4)


def test_equal_images_have_an_infinite_psnr_without_a_warning() -> None:
    image = np.random.default_rng(0).random(SHAPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert psnr(image, image) == math.inf
