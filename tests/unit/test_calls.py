from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

from cfld.calls import Calls


def test_a_call_within_a_call_gives_way_to_it() -> None:
    calls = Calls()
    with calls.start(5) as outer:
        with calls.start(3) as inner:
            calls.interrupt(True)
        assert (inner.interrupt, outer.interrupt) == (True, False)
        assert calls.latest is outer
    assert calls.latest is outer
    assert calls.latest.num_timesteps == 5


def test_the_latest_call_is_that_of_the_thread() -> None:
    calls = Calls()
    assert calls.latest.num_timesteps == 0
    with calls.start(5), ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: calls.latest.num_timesteps).result() == 5

        def run() -> int:
            with calls.start(3):
                calls.interrupt(True)
                return calls.latest.num_timesteps

        assert other.submit(run).result() == 3
        assert calls.latest.num_timesteps == 5
        assert not calls.latest.interrupt


def test_a_thread_without_a_call_stops_all() -> None:
    calls = Calls()
    with calls.start(1):  # of before
        pass
    with ThreadPoolExecutor(1) as other, other.submit(lambda: calls.start(2)).result() as call:
        pass
    calls.interrupt(True)
    assert call.interrupt


def test_copies() -> None:
    calls = Calls()
    with calls.start(4):
        assert copy.deepcopy(calls).latest.num_timesteps == 4
