"""Structural similarity (Wang et al., 2004) by scikit-image, in the variants that papers call by one name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

GREY_LEVEL: Final = 1 / 255


@dataclass(frozen=True, kw_only=True)
class SSIMVariant:
    """One way to compute SSIM. With window 51 and without: these differ by more than papers differ from one another.

    Attributes:
        window: side of the square window in pixels; None = scikit-image's for `sigma` (11 for 1.5, 9 for 1.2).
        sigma: of Gaussian weights in pixels, with population covariance; None = uniform weights, sample covariance.
        value_range: 1, or `prediction`: largest minus smallest value of the prediction.
    """

    window: int | None = None
    sigma: float | None = None
    value_range: Literal["one", "prediction"] = "one"


def ssim(truth: NDArray[np.floating[Any]], prediction: NDArray[np.floating[Any]], variant: SSIMVariant) -> float:
    """Mean over channels and over the windows that lie inside the image.

    An image that a uniform window does not fit into gets the largest odd window that does; one of a single colour
    has no range of its own, and counts with one grey level.

    Args:
        truth, prediction: (3, H, W) in [0, 1]; at least 11 pixels either way.
    """
    shortest = min(truth.shape[1:])
    window = None if variant.window is None else min(variant.window, shortest - (shortest + 1) % 2)
    weights: dict[str, Any] = {"win_size": window} if variant.sigma is None else _gaussian(variant.sigma)
    value_range = 1.0 if variant.value_range == "one" else max(float(np.ptp(prediction)), GREY_LEVEL)
    return float(structural_similarity(truth, prediction, data_range=value_range, channel_axis=0, **weights))


def _gaussian(sigma: float) -> dict[str, Any]:
    return {"gaussian_weights": True, "sigma": sigma, "use_sample_covariance": False}
