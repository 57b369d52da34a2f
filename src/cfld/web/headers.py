"""Security headers on every response."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


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
