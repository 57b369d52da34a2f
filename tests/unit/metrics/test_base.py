from __future__ import annotations

import math

import pytest

from cfld.metrics.base import Metric


@pytest.mark.parametrize(
    ("value", "text"), [(1.23456, "1.235"), (-0.5, "-0.500"), (math.inf, "+∞"), (math.nan, "-"), (None, "-")]
)
def test_format(value: float | None, text: str) -> None:
    assert Metric(title="X", higher_is_better=True, digits=3).format(value) == text


def test_the_arrow_points_to_better_values() -> None:
    assert Metric(title="X", higher_is_better=True).label == "X ↑"
    assert Metric(title="X", higher_is_better=False).label == "X ↓"
