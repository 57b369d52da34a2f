"""The state of the calls of a pipeline that several threads share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident


@dataclass
class Call:
    """One call: its number of sampling steps, whether it was told to stop, and whether it still runs."""

    num_timesteps: int = 0
    interrupt: bool = False
    running: bool = True


class Calls:
    """The latest call of each thread."""

    def __init__(self) -> None:
        self._of_thread: dict[int, Call] = {}

    @contextmanager
    def start(self, num_timesteps: int) -> Iterator[Call]:
        """Makes a call the latest one of this thread; a call from within its callbacks gives way to it again."""
        thread, call = get_ident(), Call(num_timesteps)
        outer = self._of_thread.pop(thread, None)
        self._of_thread[thread] = call
        try:
            yield call
        finally:
            call.running = False
            if outer is not None and outer.running:
                self._of_thread[thread] = outer

    @property
    def latest(self) -> Call:
        """The latest call of this thread; of all threads, if this one made none."""
        calls = [Call(running=False), *self._of_thread.values()]
        return self._of_thread.get(get_ident(), calls[-1])

    def interrupt(self, value: bool) -> None:
        """Sets the flag of the call that runs in this thread, as its callbacks do; from other threads, of all calls."""
        own = self._of_thread.get(get_ident())
        for call in [own] if own is not None and own.running else list(self._of_thread.values()):
            call.interrupt = value
