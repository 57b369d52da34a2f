"""Limits of the study, and the same-origin check."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from cfld.study.definition import Limits
from cfld.study.middleware import is_same_origin


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="starts must be at least 1, got 0"):
        Limits(starts=0)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, True),
        ({"origin": "http://study.example:8000"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://study.example:8000"}, False),
    ],
)
def test_same_origin(headers: dict[str, str], same: bool) -> None:
    values = {"host": "study.example:8000"} | headers
    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in values.items()]}
    assert is_same_origin(Request(scope)) is same
