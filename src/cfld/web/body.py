"""Limits on the size of request bodies."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope


class BodyTooLarge(Exception):  # noqa: N818
    """The request body exceeds `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request body exceeds {limit} bytes")
        self.limit = limit


def check_content_length(scope: Scope, limit: int) -> int | None:
    """Checks the declared body length before the body is read.

    Returns:
        The length in bytes; None if the request declares none, or not as a decimal number.

    Raises:
        BodyTooLarge: if it exceeds `limit`.
    """
    declared = Headers(scope=scope).get("content-length", "")
    length = int(declared) if declared.isdecimal() else None
    if length is not None and length > limit:
        raise BodyTooLarge(limit)
    return length


def limit_body(receive: Receive, limit: int) -> Receive:
    """Wraps an ASGI `receive` so that it raises `BodyTooLarge` once more than `limit` bytes have arrived."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyTooLarge(limit)
        return message

    return receive_limited
