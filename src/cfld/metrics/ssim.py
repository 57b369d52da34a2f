"""Structural similarity (Wang et al., 2004) by scikit-image, in the variants that papers call by the same name."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from skimage.metrics import structural_similarity

from cfld.metrics.base import ImageArray, ImageMetric
from cfld.metrics.protocols import Protocol, SSIMVariant

GREY_LEVEL: Final = 1 / 255


def ssim(truth: ImageArray, prediction: ImageArray, variant: SSIMVariant) -> float:
    """Returns the mean SSIM over channels and over the windows that lie inside the image.

    A uniform window larger than the image shrinks to the largest odd size that fits. An image of a single colour,
    whose value range is zero, is given a range of one grey level.

    Args:
        truth, prediction: (3, H, W) in [0, 1], both sides at least 11 pixels.
    """
    shortest = min(truth.shape[1:])
    window = None if variant.window is None else min(variant.window, shortest - (shortest + 1) % 2)
    weights: dict[str, Any] = {"win_size": window}
    if variant.sigma is not None:
        weights = {"gaussian_weights": True, "sigma": variant.sigma, "use_sample_covariance": False}
    value_range = 1.0 if variant.value_range == "one" else max(float(np.ptp(prediction)), GREY_LEVEL)
    return float(structural_similarity(truth, prediction, data_range=value_range, channel_axis=0, **weights))


def _ssim_256(truth: ImageArray, prediction: ImageArray, protocol: Protocol) -> float:
    assert protocol.ssim_256 is not None
    return ssim(truth, prediction, protocol.ssim_256)


SSIM: Final = ImageMetric(
    title="SSIM",
    higher_is_better=True,
    compute=lambda truth, prediction, protocol: ssim(truth, prediction, protocol.ssim),
)
SSIM_256: Final = ImageMetric(
    title="SSIM_256",
    higher_is_better=True,
    in_protocol=lambda protocol: protocol.ssim_256 is not None,
    compute=_ssim_256,
)
