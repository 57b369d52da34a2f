"""Data workers: their errors, and signals to the process group that they must survive."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def loaded(loader: Iterable[T]) -> Iterator[T]:
    """The batches of a loader. A worker's ValueError is raised in its own words, without the worker's traceback."""
    try:
        yield from loader
        return
    except ValueError as error:
        message = str(error).rstrip().rpartition("\nValueError: ")[2]
    raise ValueError(message)  # out here, where no traceback keeps the loader and with it the workers alive


def ignore_signals(worker: int) -> None:  # noqa: ARG001
    """A signal to the whole process group must not end the workers before the last step is done."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
