"""Proportions with confidence intervals, and tests for differences between methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from typing import Final

from scipy import stats

CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Proportion:
    """A count out of a number of answers, with its 95 % Wilson interval (Wilson 1927, no continuity correction).

    Attributes:
        count, of: the count, and the number of answers.
        value, low, high: proportion and interval in [0, 1]; None without answers.
    """

    count: int
    of: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class UniformTest:
    """Chi-square goodness-of-fit test: are all methods picked equally often?"""

    statistic: float
    degrees_of_freedom: int
    p: float


@dataclass(frozen=True)
class PairTest:
    """Exact binomial test that two methods are picked equally often; `p_holm` is Holm-adjusted over all pairs."""

    first: str
    second: str
    first_picks: int
    second_picks: int
    p: float
    p_holm: float


def proportion(count: int, of: int) -> Proportion:
    """`count` out of `of`, with its interval."""
    if of == 0:
        return Proportion(0, 0, None, None, None)
    interval = stats.binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return Proportion(count, of, count / of, float(interval.low), float(interval.high))


def uniform_test(picks: Mapping[str, int]) -> UniformTest | None:
    """Tests the number of picks of each method; None without picks or with fewer than two methods."""
    if len(picks) < 2 or not sum(picks.values()):
        return None
    result = stats.chisquare(list(picks.values()))
    return UniformTest(float(result.statistic), len(picks) - 1, float(result.pvalue))


def pair_tests(picks: Mapping[str, int]) -> list[PairTest]:
    """One test for every two methods, in the order of `picks`."""
    pairs = list(combinations(picks, 2))
    p_values = [_binomial_p(picks[a], picks[b]) for a, b in pairs]
    return [
        PairTest(a, b, picks[a], picks[b], p, p_holm)
        for (a, b), p, p_holm in zip(pairs, p_values, holm(p_values), strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down procedure (Holm 1979), in the given order."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted = accumulate((min(1.0, (len(p) - rank) * p[i]) for rank, i in enumerate(order)), max)
    return [value for _, value in sorted(zip(order, adjusted, strict=True))]


def _binomial_p(first: int, second: int) -> float:
    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0
