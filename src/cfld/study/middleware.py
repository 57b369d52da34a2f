"""ASGI middleware of the study's site: security headers, rate limit, body limit; and the same-origin check."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cfld.web.asgi import BodyTooLarge, check_content_length, security_headers, with_headers
from cfld.web.rate_limit import RateLimit, client_address

MAX_BODY: Final = 4096
"""Bytes of a request; the forms have three short fields."""
STATIC: Final = "/static/"
HEADERS: Final = security_headers(
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    referrer_policy="same-origin",
) | {
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-robots-tag": "noindex, nofollow",
}


class StudyMiddleware:
    """Wraps the whole site, error handlers included."""

    def __init__(self, app: ASGIApp, requests_per_minute: int) -> None:
        self._app, self._requests = app, RateLimit(requests_per_minute, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = with_headers(send, HEADERS | _headers_for(scope))
            await (self._refusal(scope) or self._app)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if wait := self._requests.wait(client_address(scope)):
            return too_many_requests(wait)
        try:
            length = check_content_length(scope, MAX_BODY)
        except BodyTooLarge:
            return PlainTextResponse("The request is too large.", 413, headers={"connection": "close"})
        if "transfer-encoding" in Headers(scope=scope) or (length is None and scope["method"] not in ("GET", "HEAD")):
            return PlainTextResponse("The request has no Content-Length.", 411, headers={"connection": "close"})
        return None


def _headers_for(scope: Scope) -> dict[str, str]:
    static = scope["path"].startswith(STATIC)
    caching = {"cache-control": "public, max-age=3600" if static else "no-store"}
    return caching | ({"strict-transport-security": "max-age=31536000"} if scope["scheme"] == "https" else {})


def too_many_requests(wait: float) -> Response:
    """Response 429; `wait` is in seconds."""
    text = "Too many requests from your network. Nothing is lost: please wait a little, then reload this page."
    return PlainTextResponse(text, 429, headers={"retry-after": str(max(1, round(wait)))})


def is_same_origin(request: Request) -> bool:
    """Whether a form was sent from the study's own page, by what the browser says in `Origin` and `Sec-Fetch-Site`."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
