"""Shares with intervals, and tests of difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from scipy import stats

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Share:
    """A count out of a number of answers, with its 95 % Wilson interval (Wilson 1927; scipy's, no correction).

    Attributes:
        count, of: the count, and the number of answers.
        value, low, high: in [0, 1]; none without answers.
    """

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class UniformTest:
    """Chi-square goodness of fit: are all methods picked equally often?"""

    statistic: float
    degrees_of_freedom: int
    p: float


@dataclass(frozen=True)
class PairTest:
    """Of the picks for one of two methods: exact binomial test of one half; Holm over all pairs of methods."""

    first: str
    second: str
    first_picks: int
    second_picks: int
    p: float
    p_holm: float


def share(count: int, of: int) -> Share:
    """A share; `count` of `of`."""
    if of == 0:
        return Share(0, 0, None, None, None)
    interval = stats.binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return Share(count, of, count / of, float(interval.low), float(interval.high))


def uniform_test(picks: Mapping[str, int]) -> UniformTest | None:
    """Picks by method; None when there is nothing to compare."""
    if len(picks) < 2 or not sum(picks.values()):
        return None
    result = stats.chisquare(list(picks.values()))
    return UniformTest(float(result.statistic), len(picks) - 1, float(result.pvalue))


def pair_tests(picks: Mapping[str, int]) -> list[PairTest]:
    """One test a pair of methods, in the order of `picks`."""
    pairs = list(combinations(picks, 2))
    p = [_two_sided(picks[a], picks[b]) for a, b in pairs]
    return [
        PairTest(a, b, picks[a], picks[b], alone, together)
        for (a, b), alone, together in zip(pairs, p, holm(p), strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down procedure (Holm 1979), in the order given."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def _two_sided(first: int, second: int) -> float:
    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0
