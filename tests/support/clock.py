"""A clock that a test sets."""

from __future__ import annotations


class Clock:
    """Seconds, as `time.monotonic` returns them."""

    def __init__(self, time: float = 0.0) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time
