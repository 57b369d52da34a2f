"""Peak signal-to-noise ratio, by scikit-image."""

from __future__ import annotations

from typing import Final

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from cfld.metrics.base import ImageArray, ImageMetric


def psnr(truth: ImageArray, prediction: ImageArray) -> float:
    """Returns the PSNR in dB for a data range of 1; infinity for equal images.

    Args:
        truth, prediction: of the same shape, in [0, 1].
    """
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, prediction, data_range=1))


PSNR: Final = ImageMetric(
    title="PSNR",
    higher_is_better=True,
    digits=3,
    compute=lambda truth, prediction, _: psnr(truth, prediction),
)
