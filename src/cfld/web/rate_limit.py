"""Rate limits per network address."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

MAX_ADDRESSES: Final = 10_000
"""Addresses that a rate limit remembers."""


class RateLimit:
    """Token bucket for each address: it refills evenly and holds the events of one period."""

    def __init__(self, events: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            events: allowed per period; all of them may come at once.
            period: in seconds.
        """
        self._events, self._period, self._clock = events, period, clock
        self._rate = events / period
        self._levels: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Counts one event; returns 0 if it is allowed, otherwise the seconds until the next one is."""
        now = self._clock()
        level, then = self._levels.get(address, (float(self._events), now))
        level = min(float(self._events), level + (now - then) * self._rate)
        allowed = level >= 1
        self._levels[address] = (level - allowed, now)
        if len(self._levels) > MAX_ADDRESSES:
            self._forget(now)
        return 0.0 if allowed else (1 - level) / self._rate

    def _forget(self, now: float) -> None:
        """Drops the addresses whose buckets are full again; if too many remain, drops all."""
        kept = {address: bucket for address, bucket in self._levels.items() if now - bucket[1] < self._period}
        self._levels = kept if len(kept) <= MAX_ADDRESSES else {}


def client_address(scope: Scope) -> str:
    """The client's address for rate limits: IPv4 address, or the /64 network of an IPv6 address (one household)."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])  # without the interface of a link-local address
    except ValueError:
        return str(host)
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
