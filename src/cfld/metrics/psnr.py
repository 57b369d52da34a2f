"""Peak signal-to-noise ratio, as scikit-image computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio


def psnr(truth: NDArray[np.floating[Any]], prediction: NDArray[np.floating[Any]]) -> float:
    """dB at range 1; infinite for equal images.

    Args:
        truth, prediction: of one shape, values in [0, 1].
    """
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, prediction, data_range=1))
