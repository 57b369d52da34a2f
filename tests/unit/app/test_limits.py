"""Limits on what a visitor may request."""

from __future__ import annotations

import pytest

from cfld.app.limits import Limits


def test_bytes_of_a_file() -> None:
    assert Limits(megabytes=0.5).bytes == 2**19


@pytest.mark.parametrize("limits", [Limits(megapixels=0), Limits(steps=-1), Limits(frames=1)])
def test_limits_that_allow_nothing_are_rejected(limits: Limits) -> None:
    Limits().check()
    with pytest.raises(ValueError, match=" must be "):
        limits.check()
