"""A budget of time for fuzzing, shared by all targets, and what came out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")
MINUTES: Final = float(os.environ.get("FUZZ_MINUTES", "2"))
"""Time for all targets together."""
WORKERS: Final = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
FIRST_SEED: int = int(os.environ.get("FUZZ_SEED", "0"))
ROUND: Final = 20
"""Cases of one seed."""


class FuzzError(AssertionError):
    """A case that does not behave as it must."""


def fuzz(
    cases: st.SearchStrategy[T],
    problems: Callable[[T], Any],
    seconds: float,
    record: Callable[[str, object], None],
    size: int = 1,
) -> None:
    """Tries cases until the time is over, with the seeds `FIRST_SEED`, the next, and so on

    Args:
        problems: tries a case; returns what is wrong with it, in words that are the same for one cause.
        record: pytest's `record_property`.
        size: how many cases a drawn one is.

    Raises:
        FuzzError: listing one case for each problem.
    """
    with charged(seconds) as left:
        _fuzz(cases, problems, left, record, size)


def _fuzz(
    cases: st.SearchStrategy[T],
    problems: Callable[[T], Any],
    seconds: float,
    record: Callable[[str, object], None],
    size: int,
) -> None:
    end = time.monotonic() + seconds
    tried, number, found = 0, FIRST_SEED, dict[str, str]()

    def run(case: T) -> None:
        nonlocal tried
        if time.monotonic() > end:
            return
        tried += size
        for problem in problems(case):
            found.setdefault(problem, f"{problem}\n  seed {number}: {case}")

    while time.monotonic() < end:
        test = given(cases)(run)
        seed(number)(_SETTINGS(test))()
        number += 1
    record("fuzz", {"tried": tried, "failed": len(found), "seeds": f"{FIRST_SEED} to {number - 1}"})
    if found:
        raise FuzzError(f"{len(found)} problems in {tried} cases:\n" + "\n".join(found.values()))


_SETTINGS: Final = settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@contextmanager
def charged(seconds: float = 0.0) -> Iterator[float]:
    """A turn of this process: yields how long it may take, which is less where earlier turns took longer."""
    _clock["allowed"] += seconds
    start = time.monotonic()
    try:
        yield max(_clock["allowed"] - _clock["spent"], 1.0)
    finally:
        _clock["spent"] += time.monotonic() - start


_clock: Final = {"allowed": 0.0, "spent": 0.0}


def share(targets: int) -> float:
    """Seconds of each of so many targets, in `WORKERS` processes."""
    return WORKERS * 60 * MINUTES / targets


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what was tried of each target."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, ())]
    for report in reports:
        for name, figures in report.user_properties:
            if name == "fuzz":
                words = ", ".join(f"{key} {value}" for key, value in figures.items())
                terminalreporter.write_line(f"fuzz {report.nodeid.rpartition('::')[2]}: {words}")
