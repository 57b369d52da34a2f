"""Token buckets per address, and which clients share one."""

from __future__ import annotations

import pytest

from cfld.web.rate_limit import MAX_ADDRESSES, RateLimit, client_address
from support.clock import Clock


def test_a_bucket_empties_and_refills_evenly() -> None:
    clock = Clock()
    limit = RateLimit(6, 60.0, clock)
    assert [limit.wait("a") for _ in range(7)] == [0.0] * 6 + [10.0]
    assert limit.wait("b") == 0.0, "addresses do not share"
    clock.time = 9.0
    assert limit.wait("a") == pytest.approx(1.0)
    clock.time = 10.0
    assert limit.wait("a") == 0.0
    clock.time = 1000.0
    assert [limit.wait("a") > 0 for _ in range(7)] == [False] * 6 + [True]


def test_memory_is_bounded() -> None:
    clock = Clock()
    limit = RateLimit(5, 60.0, clock)
    for address in range(3 * MAX_ADDRESSES):
        clock.time += 0.001
        limit.wait(str(address))
    assert len(limit._levels) <= MAX_ADDRESSES + 1


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("203.0.113.7", 1), "203.0.113.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("::ffff:203.0.113.7", 1), "203.0.113.7"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("testclient", 1), "testclient"),
        (None, "unknown"),
    ],
)
def test_clients_that_share_a_bucket(client: tuple[str, int] | None, address: str) -> None:
    assert client_address({"client": client}) == address
