from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from cfld.metrics.fid import FeatureStatistics, Gaussian, frechet_distance

Features = NDArray[np.float64]


def gaussian(features: Features, step: int = 7) -> Gaussian:
    statistics = FeatureStatistics()
    for start in range(0, len(features), step):
        statistics.update(features[start : start + step])
    return statistics.gaussian()


def by_scipy(a: Features, b: Features) -> float:
    """As papers write it: NumPy's covariance, SciPy's matrix square root."""
    s_a, s_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    difference = a.mean(0) - b.mean(0)
    return float(difference @ difference + np.trace(s_a + s_b - 2 * sqrtm(s_a @ s_b).real))


def random_features(seed: int, n: int, d: int) -> Features:
    """Correlated, not centred, never negative, as Inception's features are."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 1, 0)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 250, 32), (70, 90, 64)])
def test_agrees_with_scipy(n: int, m: int, d: int) -> None:
    a, b = random_features(0, n, d), random_features(1, m, d)
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(by_scipy(a, b), rel=1e-9)


@pytest.mark.filterwarnings("ignore:Matrix is singular")
@pytest.mark.parametrize(("n", "m", "d"), [(20, 25, 32), (2, 3, 32)])
def test_agrees_with_scipy_where_covariances_are_singular(n: int, m: int, d: int) -> None:
    a, b = random_features(0, n, d), random_features(1, m, d)
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(by_scipy(a, b), rel=1e-4)


def test_mean_and_covariance_do_not_depend_on_the_batches() -> None:
    features = random_features(2, 40, 6).astype(np.float32)
    for step in (1, 3, 40):
        found = gaussian(features, step)
        assert found.n == 40
        np.testing.assert_allclose(found.mean, features.astype(np.float64).mean(0), atol=1e-10)
        np.testing.assert_allclose(found.covariance, np.cov(features.astype(np.float64), rowvar=False), atol=1e-9)


def test_it_is_a_distance() -> None:
    a, b = gaussian(random_features(0, 50, 8)), gaussian(random_features(1, 60, 8))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a, b) > 1


def test_a_shift_of_the_mean_counts_squared() -> None:
    features = random_features(3, 50, 4)
    assert frechet_distance(gaussian(features), gaussian(features + 3)) == pytest.approx(4 * 9)


@pytest.mark.parametrize("n", [0, 1])
def test_one_image_too_few(n: int) -> None:
    statistics = FeatureStatistics()
    if n:
        statistics.update(np.ones((n, 4)))
    with pytest.raises(ValueError, match=f"at least 2 images, got {n}"):
        statistics.gaussian()


def test_features_of_another_network() -> None:
    with pytest.raises(ValueError, match="3 and 4 dimensions"):
        frechet_distance(gaussian(random_features(0, 9, 3)), gaussian(random_features(0, 9, 4)))
