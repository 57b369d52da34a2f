"""Fréchet inception distance (Heusel et al., 2017) from features, in double precision and constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpstrf

from cfld.metrics.base import Metric

ROWS_PER_PRODUCT: Final = 512
"""A few large products are ten times faster than one per batch."""

FID: Final = Metric(title="FID", higher_is_better=False, digits=3)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean (D,) and unbiased covariance (D, D) of the features of `n` images, in float64."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n: int


class FeatureStatistics:
    """Accumulates the Gaussian of feature vectors; memory does not grow with their number."""

    def __init__(self) -> None:
        self.n = 0
        self._pending: list[NDArray[np.floating[Any]]] = []
        self._products: NDArray[np.float64] | float = 0.0
        """Sum of x x^T over x = (feature, 1), except of the pending ones."""

    def update(self, features: NDArray[np.floating[Any]]) -> None:
        """Adds features (B, D)."""
        self.n += len(features)
        if sum(map(len, self._pending)) >= ROWS_PER_PRODUCT:
            self._products, self._pending = self._sum(), []
        self._pending.append(features)

    def _sum(self) -> NDArray[np.float64]:
        x = np.pad(np.concatenate(self._pending, dtype=np.float64), ((0, 0), (0, 1)), constant_values=1)
        return x.T @ x + self._products

    def gaussian(self) -> Gaussian:
        """Raises ValueError for fewer than two images, which have no covariance."""
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 images, got {self.n}")
        products = self._sum()
        mean = products[-1, :-1] / self.n
        return Gaussian(mean, (products[:-1, :-1] - self.n * np.outer(mean, mean)) / (self.n - 1), self.n)


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """Returns |mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr sqrt(S_a S_b).

    With S_a = L L^T, the non-zero eigenvalues of S_a S_b are those of the symmetric L^T S_b L. This holds for singular
    covariances too, so that nothing needs to be added to their diagonals.

    Raises:
        ValueError: if the feature dimensions differ.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"cannot compare features of {a.mean.size} and {b.mean.size} dimensions")
    smaller, larger = sorted((a, b), key=lambda gaussian: gaussian.n)
    triangle, pivots, rank, _ = dpstrf(smaller.covariance, lower=True)  # Cholesky with pivoting; rank <= n - 1
    L = np.tril(triangle)[np.argsort(pivots), :rank]
    trace_of_root = np.sqrt(np.linalg.eigvalsh(L.T @ larger.covariance @ L).clip(min=0)).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_of_root)
