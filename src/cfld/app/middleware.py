"""What stands between the network and Gradio: only the routes that the page needs, no file but the visitors' own.

Gradio checks much of this itself; here it does not depend on how Gradio is set up.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUTES: Final = re.compile(
    r"/|/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|pwa_icon)/?|/(assets|static)/.*"
    r"|/gradio_api/(info|app_id|startup-events|theme\.css|upload|upload_progress|cancel|reset|queue/(join|data|status))/?"
    r"|/gradio_api/(heartbeat|call|run)/.*|/gradio_api/file=.*"
)
"""What of Gradio is reachable."""
UPLOAD: Final = "/gradio_api/upload"
FILE: Final = "/gradio_api/file="
LARGEST_REQUEST: Final = 2**20
"""Of one that is no upload, in bytes."""
UPLOAD_MARGIN: Final = 2**16
"""What an upload has besides its file."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "worker-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Gradio's page has inline scripts, and templates of `gr.HTML` are compiled in the browser: hence the two `unsafe-`."""


class Refused(Exception):  # noqa: N818
    """A request that is not answered."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Guard:
    """ASGI middleware; see above. Every upload gets a path of its own, whoever sends the same bytes."""

    def __init__(self, app: ASGIApp, root: Path, uploads: Path, upload_bytes: int) -> None:
        """
        Args:
            root: the only folder that files are read from.
            uploads: where uploads are kept, below it.
            upload_bytes: of one file.
        """
        self._app, self._root, self._uploads, self._upload_bytes = app, root.resolve(), uploads, upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._guarded(scope, receive, _with_headers(send))
        except Refused as refused:
            answer = JSONResponse({"detail": refused.reason}, refused.status, HEADERS)
            await answer(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not ROUTES.fullmatch(path):
            raise Refused(404, "there is nothing here")
        if path.startswith(FILE) and not self._is_ours(path.removeprefix(FILE)):
            raise Refused(403, "this file is not to be had")
        if path.rstrip("/") == UPLOAD:
            limit = self._upload_bytes + UPLOAD_MARGIN
            _check_length(scope, limit)
            await self._app(scope, _limited(receive, limit), self._with_own_paths(send))
        elif scope["method"] == "POST":
            body = await _read(receive, LARGEST_REQUEST, _check_length(scope, LARGEST_REQUEST))
            self._check_files(body)
            await self._app(scope, _replayed(body, receive), send)
        else:
            await self._app(scope, receive, send)

    def _is_ours(self, text: str) -> bool:
        """Whether a path means a file of a visitor, written in any way."""
        try:
            return all(Path(one).resolve().is_relative_to(self._root) for one in (text, unquote(text)))
        except (ValueError, OSError, RuntimeError):
            return False

    def _check_files(self, body: bytes) -> None:
        """Requests name files by a path: it must be of ours, and no address of another host."""
        try:
            content = json.loads(body) if body else None
        except (ValueError, RecursionError):
            raise Refused(400, "this is not JSON") from None
        waiting = [content]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                waiting.extend(one.values())
                path = one.get("path")
                if path is not None and not (isinstance(path, str) and self._is_ours(path)):
                    raise Refused(400, "a file can be named only after it was uploaded here")
            elif isinstance(one, list):
                waiting.extend(one)

    def _with_own_paths(self, send: Send) -> Send:
        """Gradio answers an upload with paths made from the bytes, which visitors share; answers with other ones."""
        held: list[Message] = []

        async def send_own(message: Message) -> None:
            held.append(message)
            if message["type"] != "http.response.body" or message.get("more_body", False):
                return
            start, body = held[0], b"".join(part.get("body", b"") for part in held[1:])
            if start["status"] == 200:
                body = json.dumps([self._own_path(Path(path)) for path in json.loads(body)]).encode()
                MutableHeaders(scope=start)["Content-Length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        return send_own

    def _own_path(self, stored: Path) -> str:
        folder = self._uploads / secrets.token_urlsafe(16)
        folder.mkdir()
        os.link(stored, folder / stored.name)
        return str(folder / stored.name)


def _with_headers(send: Send) -> Send:
    async def send_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return send_headers


def _check_length(scope: Scope, limit: int) -> int:
    """The body's length as it is announced, 0 where it is not."""
    told = Headers(scope=scope).get("content-length", "0")
    length = int(told) if told.isdecimal() else 0
    if length > limit:
        raise Refused(413, f"this is too large: at most {limit / 2**20:.1f} MB are taken")
    return length


async def _read(receive: Receive, limit: int, announced: int) -> bytes:
    """The whole body."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > max(limit, announced):
            raise Refused(413, f"this is too large: at most {limit / 2**20:.1f} MB are taken")
    return bytes(body)


def _limited(receive: Receive, limit: int) -> Receive:
    """The same body, cut off with an error where it goes beyond the limit."""
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise Refused(413, f"this is too large: at most {limit / 2**20:.1f} MB are taken")
        return message

    return receive_limited


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then what comes after it: that the visitor has gone."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
