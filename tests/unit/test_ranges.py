from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import pytest

from cfld.ranges import Range, check_ranges, find_range


@dataclass
class Inner:
    share: Annotated[float, Range(0, 1)] = 0.5


@dataclass
class Outer:
    count: Annotated[int, Range(1)] | None = None
    size: tuple[Annotated[int, Range(1, 4096)], ...] = (3, 4)
    rows: Annotated[tuple[tuple[Annotated[float, Range(0, 2, above=True)], ...], ...], "help"] = ((1.0,),)
    text: str = "x"
    inner: Inner = field(default_factory=Inner)


def test_values_in_range_pass() -> None:
    check_ranges(Outer())
    check_ranges(Outer(count=10**12, size=(), rows=((0.1, 2.0), ()), inner=Inner(1)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Outer(count=0), "count must be at least 1, got 0"),
        (Outer(size=(1, 4097)), "size must be between 1 and 4,096, got 4097"),
        (Outer(rows=((1.0,), (0.0,))), "rows must be above 0 and at most 2, got 0.0"),
        (Outer(inner=Inner(float("nan"))), "share must be between 0 and 1, got nan"),
        (Outer(inner=Inner(float("inf"))), "share must be between 0 and 1, got inf"),
    ],
)
def test_the_number_is_named(config: Outer, message: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{message}\Z"):
        check_ranges(config)


def test_no_range_contains_what_is_not_finite() -> None:
    for unlimited in (Range(0), Range(0, above=True)):
        assert all(value not in unlimited for value in (float("inf"), float("nan"), float("-inf")))
        assert 10**400 in unlimited


def test_other_annotations_have_no_range() -> None:
    assert find_range(Annotated[tuple[int, ...] | None, "help"]) is None
