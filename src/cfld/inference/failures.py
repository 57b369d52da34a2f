"""Failures of single items of a batch: the other items are finished, then all failures are reported."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LISTED: Final = 20
"""Failures in one message."""


class Failures:
    """The items that failed: name -> message."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        """Records an error of a file that cannot be read or of a name that is too long; others stop the batch."""
        try:
            yield
        except ValueError as error:
            self.messages[name] = str(error)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            self.messages[name] = f"{name}: {error.strerror}"

    def check(self, total: int) -> None:
        """
        Raises:
            ValueError: if any of `total` items failed; one line with all messages, the first `LISTED` of many.
        """
        messages = list(dict.fromkeys(self.messages.values()))
        more = f"; and {len(messages) - LISTED} more" if len(messages) > LISTED else ""
        if messages and total == 1:
            raise ValueError(messages[0])
        if messages:
            raise ValueError(f"{len(self.messages)} of {total} images failed: {'; '.join(messages[:LISTED])}{more}")
