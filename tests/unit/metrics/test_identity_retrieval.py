from __future__ import annotations

import numpy as np
import pytest

from cfld.metrics.identity_retrieval import colour_features, people, retrieve


def test_people_are_what_pairs_join() -> None:
    found = people([("a1", "a2"), ("b1", "b2"), ("a3", "a2"), ("c1", "c1")])
    assert found["a1"] == found["a2"] == found["a3"]
    assert len({found["a1"], found["b1"], found["c1"]}) == 3
    assert found["b1"] == found["b2"]


def test_rank_1_and_average_precision_by_hand() -> None:
    gallery = np.eye(4, dtype=np.float32)
    query = np.array([0.4, 0.3, 0.2, 0.1])  # the gallery's order is that of the ranks
    result = retrieve(query, gallery, np.array([False, True, False, True]))
    assert (result.rank_1, result.average_precision) == (0, pytest.approx((1 / 2 + 2 / 4) / 2))
    assert retrieve(query, gallery, np.array([True, True, False, False])).average_precision == 1


def test_nobody_to_find_has_no_figure() -> None:
    result = retrieve(np.ones(2), np.eye(2), np.array([False, False]))
    assert np.isnan([result.rank_1, result.average_precision]).all()


def test_colours_tell_clothes_apart_and_not_noise() -> None:
    rng = np.random.default_rng(0)
    red_on_blue, blue_on_red = np.zeros((2, 3, 64, 44), dtype=np.uint8)
    red_on_blue[0, :32], red_on_blue[2, 32:] = 200, 200
    blue_on_red[2, :32], blue_on_red[0, 32:] = 200, 200
    noisy = (red_on_blue + rng.integers(0, 9, red_on_blue.shape)).astype(np.uint8)
    features = colour_features(np.stack([red_on_blue, blue_on_red, noisy]))
    assert features.shape == (3, 144)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    assert features[0] @ features[2] > features[0] @ features[1] + 0.2
