"""What every request passes first: limits of rate and size; and what every response carries: security headers."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 4096
"""Bytes; the forms have three short fields."""
STATIC: Final = "/static/"
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-robots-tag": "noindex, nofollow",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one network address may ask for; a class room or a laboratory can stand behind one.

    Attributes:
        requests: pages, images and answers a minute.
        starts: new participants an hour.
        participants: in the whole study; then it is full.
    """

    requests: int = 3000
    starts: int = 300
    participants: int = 10_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


class RateLimit:
    """So many events a period for each address: a bucket that fills evenly and holds one period's worth."""

    def __init__(self, events: int, period: float, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            events: allowed a period; a whole period's worth may come at once.
            period: in seconds.
        """
        self._events, self._rate, self._clock = events, events / period, clock
        self._period = period
        self._levels: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Counts one event; 0 if it is allowed, else the seconds until the next one is."""
        now = self._clock()
        level, then = self._levels.get(address, (float(self._events), now))
        level = min(float(self._events), level + (now - then) * self._rate)
        allowed = level >= 1
        self._levels[address] = (level - allowed, now)
        if len(self._levels) > 10_000:
            self._forget(now)
        return 0.0 if allowed else (1 - level) / self._rate

    def _forget(self, now: float) -> None:
        """Leaves out addresses whose buckets are full again, and all if there are too many even so."""
        kept = {a: (level, then) for a, (level, then) in self._levels.items() if now - then < self._period}
        self._levels = kept if len(kept) <= 10_000 else {}


def address_of(scope: Scope) -> str:
    """Who asks, as limits count: an IPv4 address, or the /64 network of an IPv6 address, which one household has."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    return str(address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False))


class Guard:
    """ASGI middleware around the whole site, outside of all that can fail."""

    def __init__(self, app: ASGIApp, requests: RateLimit) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        public = scope["path"].startswith(STATIC)
        secure = scope["scheme"] == "https"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers["cache-control"] = "public, max-age=3600" if public else "no-store"
                if secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        if wait := self._requests.wait(address_of(scope)):
            return too_many(wait)
        if scope["method"] in ("GET", "HEAD"):
            return None
        length = Headers(scope=scope).get("content-length")
        if length is None or not length.isdecimal():
            return PlainTextResponse("The request does not say how long it is.", 411)
        if int(length) > MAX_BODY:
            return PlainTextResponse("The request is too large.", 413, headers={"connection": "close"})
        return None


def too_many(wait: float) -> Response:
    """Refuses for a while; `wait` in seconds."""
    text = "Too many requests came from your network. Nothing is lost: wait a little, then reload this page."
    return PlainTextResponse(text, 429, headers={"retry-after": str(max(1, round(wait)))})


def same_site(request: Request) -> bool:
    """Whether a form was sent from our own page, as far as the browser tells."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
