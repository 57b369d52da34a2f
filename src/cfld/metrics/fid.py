"""Fréchet inception distance (Heusel et al., 2017) from features, in double precision and in constant memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpstrf

ROWS_AT_ONCE: Final = 512
"""Features that are gathered before their products are added: few large products cost less than many small ones."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """What FID keeps of a set of images.

    Attributes:
        mean: float64 (D,).
        covariance: float64 (D, D), divided by n - 1.
        n: number of images.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    n: int

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, mean=self.mean, covariance=self.covariance, n=self.n)

    @classmethod
    def load(cls, path: Path) -> Gaussian:
        """Raises ValueError naming the file when it is not what `save` wrote."""
        try:
            with np.load(path) as file:
                return cls(file["mean"], file["covariance"], int(file["n"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise ValueError(f"{path}: holds no statistics ({error}); remove it") from None


class FeatureStatistics:
    """Count, sum and sum of outer products of feature vectors: memory does not grow with their number."""

    def __init__(self) -> None:
        self.n = 0
        self._sum: NDArray[np.float64] = np.zeros(0)
        self._products: NDArray[np.float64] = np.zeros((0, 0))
        self._pending: list[NDArray[np.float64]] = []

    def update(self, features: NDArray[np.floating[Any]]) -> None:
        """Adds (B, D) features; B may differ from call to call."""
        rows = np.array(features, dtype=np.float64)
        if self.n == 0:
            self._sum = np.zeros(rows.shape[1])
            self._products = np.zeros((rows.shape[1], rows.shape[1]), order="F")
        self.n += len(rows)
        self._pending.append(rows)
        if sum(map(len, self._pending)) >= ROWS_AT_ONCE:
            self._add_pending()

    def gaussian(self) -> Gaussian:
        """
        Raises:
            ValueError: for fewer than two vectors, which have no covariance.
        """
        if self.n < 2:
            raise ValueError(f"a covariance needs at least 2 images, got {self.n}")
        self._add_pending()
        mean = self._sum / self.n
        products = np.triu(self._products) + np.triu(self._products, 1).T
        return Gaussian(mean, (products - self.n * np.outer(mean, mean)) / (self.n - 1), self.n)

    def _add_pending(self) -> None:
        if self._pending:
            rows = np.concatenate(self._pending)
            self._pending.clear()
            self._sum += rows.sum(axis=0)
            self._products = dsyrk(1.0, rows.T, beta=1.0, c=self._products, overwrite_c=True)  # upper triangle


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|mu_a - mu_b|^2 + tr S_a + tr S_b - 2 tr sqrt(S_a S_b).

    With S_a = L L^T, S_a S_b has the eigenvalues of the symmetric L^T S_b L, and zeros: one factorisation and one
    symmetric eigen-decomposition give the trace. It exists for singular covariances too: the 1e-6 that others then add
    to both diagonals, where SciPy's general matrix square root breaks down, is not needed.

    Raises:
        ValueError: when the two have features of different lengths.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"cannot compare features of {a.mean.size} and {b.mean.size} dimensions")
    smaller, larger = sorted((a, b), key=lambda gaussian: gaussian.n)  # L has at most n - 1 columns
    L = _factor(smaller.covariance)
    trace_of_root = np.sqrt(np.linalg.eigvalsh(L.T @ larger.covariance @ L).clip(min=0)).sum()
    difference = a.mean - b.mean
    return float(difference @ difference + np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_of_root)


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """L (D, rank) with covariance = L L^T, by Cholesky's method with pivots."""
    triangle, pivots, rank, _ = dpstrf(covariance, lower=True)
    factor = np.empty((len(covariance), rank))
    factor[pivots - 1] = np.tril(triangle)[:, :rank]
    return factor
