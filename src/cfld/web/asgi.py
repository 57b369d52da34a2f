"""What both web applications add to ASGI requests and responses: limits on bodies, security headers."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send


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


def security_headers(content_security_policy: str, *, referrer_policy: str) -> dict[str, str]:
    """Headers that restrict what a page may load and disclose; the caller chooses the two policies."""
    return {
        "content-security-policy": content_security_policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": referrer_policy,
    }


def with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Wraps an ASGI `send` so that it sets `headers` on the response, replacing any of the same name."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
