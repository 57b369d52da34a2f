"""Errors of user input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def refusal(read: Callable[..., Any], *arguments: Any) -> str:
    """Calls a reader; returns the message of its ValueError, or an empty text if it accepts the input."""
    try:
        read(*arguments)
    except ValueError as error:
        return str(error)
    return ""
