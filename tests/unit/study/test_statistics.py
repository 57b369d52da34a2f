"""StudyMetrics against hand-computed ones, and against their published formulas."""

from __future__ import annotations

import math

import pytest

from cfld.study.statistics import holm, pair_tests, proportion, uniform_test

Z = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


@pytest.mark.parametrize(("count", "of"), [(0, 10), (1, 10), (8, 10), (10, 10), (525, 1000), (1, 1)])
def test_intervals_are_wilsons(count: int, of: int) -> None:
    """(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), Wilson 1927."""
    p = count / of
    middle, half = p + Z**2 / (2 * of), Z * math.sqrt(p * (1 - p) / of + Z**2 / (4 * of**2))
    found = proportion(count, of)
    assert found.value == p
    assert found.low == pytest.approx((middle - half) / (1 + Z**2 / of), abs=1e-12)
    assert found.high == pytest.approx((middle + half) / (1 + Z**2 / of), abs=1e-12)


def test_an_interval_from_a_book() -> None:
    """Newcombe 1998, table I: 81 of 263, Wilson without correction: 0.2553 to 0.3662."""
    found = proportion(81, 263)
    assert (round(found.low or 0, 4), round(found.high or 0, 4)) == (0.2553, 0.3662)


def test_no_answers_have_no_share() -> None:
    assert proportion(0, 0) == proportion(0, 0)
    assert (proportion(0, 0).value, proportion(0, 0).low, proportion(0, 0).of) == (None, None, 0)


def test_uniform_test_by_hand() -> None:
    """10, 20, 30 against 20 each: (100 + 0 + 100) / 20 = 10; with 2 degrees of freedom p = exp(-10 / 2)."""
    found = uniform_test({"a": 10, "b": 20, "c": 30})
    assert found is not None
    assert (found.statistic, found.degrees_of_freedom) == (10.0, 2)
    assert found.p == pytest.approx(math.exp(-5))
    assert uniform_test({"a": 5}) is None
    assert uniform_test({"a": 0, "b": 0}) is None


def test_pair_tests_by_hand() -> None:
    """8 of 10 picks: 2 (45 + 10 + 1) / 1024; three tests, so the smallest p counts three times."""
    by_names = {(t.first, t.second): t for t in pair_tests({"a": 8, "b": 2, "c": 8})}
    p = 2 * (45 + 10 + 1) / 1024
    assert by_names["a", "b"].p == pytest.approx(p)
    assert by_names["a", "b"].p_holm == pytest.approx(3 * p)
    assert by_names["a", "c"].p == by_names["a", "c"].p_holm == 1
    assert (by_names["b", "c"].first_picks, by_names["b", "c"].second_picks) == (2, 8)
    assert pair_tests({"a": 0, "b": 0})[0].p == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
