"""ASGI middleware in front of Gradio: only the routes that the page needs, and no files but those of the visitors.

Gradio performs many of these checks itself; here they do not depend on its configuration.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfld.app.limits import LimitReachedError, Limits
from cfld.app.live_route import LIVE
from cfld.app.sessions import Sessions
from cfld.app.upload_route import receive_uploads
from cfld.web.asgi import BodyTooLarge, check_content_length, limit_body, security_headers, with_headers
from cfld.web.hosts import Hosts
from cfld.web.rate_limit import client_address

ROUTES: Final = re.compile(
    r"/|/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|pwa_icon)/?|/(assets|static)/.*"
    r"|/gradio_api/(info|app_id|startup-events|theme\.css|upload|upload_progress|cancel|reset|queue/(join|data|status))/?"
    r"|/gradio_api/(heartbeat|call|run)/.*|/gradio_api/file=.*"
    rf"|{LIVE}"
)
"""Routes that can be reached: all but the last are Gradio's."""
UPLOAD: Final = "/gradio_api/upload"
FILE: Final = "/gradio_api/file="
UPLOAD_PROGRESS: Final = "/gradio_api/upload_progress"
CALLS: Final = ("/gradio_api/queue/join", "/gradio_api/call/", "/gradio_api/run/", LIVE)
"""Routes that run a function."""
MAX_BODY: Final = 2**16
"""Bytes of a request other than an upload."""
MAX_VALUES: Final = 4000
"""Lists, objects and their items in a JSON body."""
MAX_DEPTH: Final = 20
"""Levels of nested lists and objects in a JSON body."""
UPLOAD_OVERHEAD: Final = 2**16
"""Bytes of an upload besides its file."""
MAX_UPLOADS: Final = 32
"""Uploads that arrive at the same time; up to 4 MB of each are in memory."""
HEADERS: Final = security_headers(
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'",
    referrer_policy="no-referrer",
)
"""Gradio's page has inline scripts, and `gr.HTML` compiles templates in the browser: hence the two `unsafe-`."""


class AppMiddleware:
    """Checks each HTTP request before Gradio sees it, and receives uploads itself."""

    def __init__(
        self, app: ASGIApp, sessions: Sessions, limits: Limits, hosts: Hosts, queued: Callable[[], Iterable[Scope]]
    ) -> None:
        """
        Args:
            sessions: only files below their root are served.
            queued: the requests whose functions wait or run in the queue.
        """
        self._app, self._sessions, self._limits, self._hosts, self._queued = app, sessions, limits, hosts, queued
        self._root, self._handled, self._uploads = sessions.root.resolve(), Counter[str](), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = with_headers(send, HEADERS)
        try:
            await self._check(scope, receive, send)
        except ClientDisconnect:
            pass
        except BodyTooLarge as error:
            detail = f"the request is too large: the limit is {error.limit / 2**20:.2g} MB"
            await JSONResponse({"detail": detail}, 413)(scope, receive, send)
        except LimitReachedError as error:
            await JSONResponse({"detail": str(error)}, 429)(scope, receive, send)
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._hosts.check(scope)
        path = scope["path"]
        if not ROUTES.fullmatch(path):
            raise HTTPException(404, "no such page")
        if path.startswith(FILE) and not self._is_served(path.removeprefix(FILE)):
            raise HTTPException(403, "this file is not served")
        if path.rstrip("/") == UPLOAD_PROGRESS:  # belongs to Gradio's own route for uploads
            await Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")(scope, receive, send)
        elif scope["method"] != "POST":
            await self._app(scope, limit_body(receive, MAX_BODY), send)
        elif path.rstrip("/") == UPLOAD:
            await self._receive_uploads(scope, receive, send)
        else:
            await self._post(scope, receive, send)

    async def _receive_uploads(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit, visitor = self._limits.bytes + UPLOAD_OVERHEAD, client_address(scope)
        size = check_content_length(scope, limit)
        if self._uploads >= MAX_UPLOADS:
            raise LimitReachedError("the server is busy with other uploads: try again in a moment")
        with self._share(visitor), self._sessions.arriving(visitor, limit if size is None else size):
            self._uploads += 1
            try:
                request = Request(scope, limit_body(receive, limit))
                paths = await receive_uploads(request, self._sessions, visitor)
            finally:
                self._uploads -= 1
        await JSONResponse(paths)(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_content_length(scope, MAX_BODY)
        receive = await self._with_checked_body(limit_body(receive, MAX_BODY))
        if scope["path"].startswith(CALLS):
            with self._share(client_address(scope)):
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @contextmanager
    def _share(self, visitor: str) -> Iterator[None]:
        """Inside, a request of the visitor is handled; raises LimitReachedError if too many wait or run already."""
        queued = sum(client_address(scope) == visitor for scope in self._queued())
        if self._handled[visitor] + queued >= self._limits.requests:
            raise LimitReachedError(
                f"{self._limits.requests} of your requests are waiting in the queue or running: wait until one is done"
            )
        self._handled[visitor] += 1
        try:
            yield
        finally:
            self._handled -= Counter({visitor: 1})

    def _is_served(self, text: str) -> bool:
        """Whether a path, URL-encoded or not, is below the root."""
        try:
            return all(Path(path).resolve().is_relative_to(self._root) for path in (text, unquote(text)))
        except (ValueError, OSError, RuntimeError):
            return False

    async def _with_checked_body(self, receive: Receive) -> Receive:
        """Reads the body, checks its size and every file it names, and returns a `receive` that repeats it."""
        body = await Request({"type": "http"}, receive).body()
        self._check_json(body)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        return receive_again

    def _check_json(self, body: bytes) -> None:
        if sum(map(body.count, (b"[", b"{", b","))) > MAX_VALUES:
            raise HTTPException(413, f"the request has more than {MAX_VALUES} values")
        try:
            level = [json.loads(body or b"null")]
        except (ValueError, RecursionError):
            raise HTTPException(400, "the request body is not JSON") from None
        for _ in range(MAX_DEPTH):
            self._check_files(value for value in level if isinstance(value, dict))
            level = [item for value in level for item in _items(value)]
        if level:
            raise HTTPException(413, f"the request has more than {MAX_DEPTH} levels of lists and objects")

    def _check_files(self, values: Iterable[dict[str, Any]]) -> None:
        for path in (value.get("path") for value in values):
            if path is not None and not (isinstance(path, str) and self._is_served(path)):
                raise HTTPException(400, "a request can only name files that were uploaded here")


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
