"""One thread that writes: changes that come at the same time share one transaction, and one wait for the disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

TOGETHER: Final = 100
"""Changes in one transaction at most."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Change:
    """A change that somebody waits for.

    Attributes:
        order: changes of one transaction are made in this order.
    """

    order: tuple[int, int]
    make: Callable[[sa.Connection], Any]
    future: Future[Any]


class Writer:
    """Makes changes to a database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._queue: SimpleQueue[_Change | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, order: tuple[int, int], make: Callable[[sa.Connection], T]) -> Future[T]:
        """Has a change made.

        Args:
            order: of the rows that the change locks; all servers lock rows in this order, so none waits for another
                that waits for it.
            make: changes the database.

        Returns:
            what `make` returned, once it is on disk; a `SQLAlchemyError` if nothing was changed.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # who stops waiting does not stop the change
        self._queue.put(_Change(order, make, future))
        return future

    def stop(self) -> None:
        """Returns when all changes so far are on disk."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            with suppress(Empty):
                while len(group) < TOGETHER and group[-1] is not None:
                    group.append(self._queue.get_nowait())
            self._write(sorted((change for change in group if change is not None), key=lambda change: change.order))
            if group[-1] is None:
                return

    def _write(self, changes: Sequence[_Change]) -> None:
        try:
            with self._engine.begin() as connection:
                results = [change.make(connection) for change in changes]
        except SQLAlchemyError as error:
            for change in changes:
                change.future.set_exception(error)
            return
        for change, result in zip(changes, results, strict=True):
            change.future.set_result(result)
