"""ASGI middleware in front of Gradio: only the routes that the page needs, and no files but those of the visitors.

Gradio performs many of these checks itself; here they do not depend on its configuration.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cfld.web.asgi import BodyTooLarge, check_content_length, limit_body, security_headers, with_headers

ROUTES: Final = re.compile(
    r"/|/(config|theme\.css|manifest\.json|favicon\.ico|robots\.txt|pwa_icon)/?|/(assets|static)/.*"
    r"|/gradio_api/(info|app_id|startup-events|theme\.css|upload|upload_progress|cancel|reset|queue/(join|data|status))/?"
    r"|/gradio_api/(heartbeat|call|run)/.*|/gradio_api/file=.*"
)
"""Gradio's routes that can be reached."""
UPLOAD: Final = "/gradio_api/upload"
FILE: Final = "/gradio_api/file="
MAX_BODY: Final = 2**20
"""Bytes of a request other than an upload."""
UPLOAD_OVERHEAD: Final = 2**16
"""Bytes of an upload besides its file."""
HEADERS: Final = security_headers(
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; media-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'",
    referrer_policy="no-referrer",
)
"""Gradio's page has inline scripts, and `gr.HTML` compiles templates in the browser: hence the two `unsafe-`."""


class AppMiddleware:
    """Checks each HTTP request, and gives each upload a path of its own even if visitors send the same bytes."""

    def __init__(self, app: ASGIApp, root: Path, uploads: Path, max_upload: int) -> None:
        """
        Args:
            root: the only folder that files are served from.
            uploads: folder below `root` for uploads.
            max_upload: size of an uploaded file in bytes.
        """
        self._app, self._root, self._uploads, self._max_upload = app, root.resolve(), uploads, max_upload

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
            detail = f"the request is too large: the limit is {error.limit / 2**20:.1f} MB"
            await JSONResponse({"detail": detail}, 413)(scope, receive, send)
        except HTTPException as error:
            await JSONResponse({"detail": error.detail}, error.status_code)(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not ROUTES.fullmatch(path):
            raise HTTPException(404, "no such page")
        if path.startswith(FILE) and not self._is_served(path.removeprefix(FILE)):
            raise HTTPException(403, "this file is not served")
        upload = path.rstrip("/") == UPLOAD
        limit = self._max_upload + UPLOAD_OVERHEAD if upload else MAX_BODY
        check_content_length(scope, limit)
        receive = limit_body(receive, limit)
        if upload:
            send = self._with_own_paths(send)
        elif scope["method"] == "POST":
            receive = await self._with_checked_body(receive)
        await self._app(scope, receive, send)

    def _is_served(self, text: str) -> bool:
        """Whether a path, URL-encoded or not, is below the root."""
        try:
            return all(Path(path).resolve().is_relative_to(self._root) for path in (text, unquote(text)))
        except (ValueError, OSError, RuntimeError):
            return False

    async def _with_checked_body(self, receive: Receive) -> Receive:
        """Reads the body, checks that every file it names is served, and returns a `receive` that repeats it."""
        body = await Request({"type": "http"}, receive).body()
        try:
            json.loads(body or "null", object_hook=self._check_file)
        except (ValueError, RecursionError):
            raise HTTPException(400, "the request body is not JSON") from None
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        return receive_again

    def _check_file(self, value: dict[str, Any]) -> dict[str, Any]:
        path = value.get("path")
        if path is not None and not (isinstance(path, str) and self._is_served(path)):
            raise HTTPException(400, "a request can only name files that were uploaded here")
        return value

    def _with_own_paths(self, send: Send) -> Send:
        """Replaces the paths in the response to an upload: Gradio's are hashes, equal for equal files."""
        messages: list[Message] = []

        async def send_own_paths(message: Message) -> None:
            messages.append(message)
            if message["type"] != "http.response.body" or message.get("more_body", False):
                return
            start, body = messages[0], b"".join(part.get("body", b"") for part in messages[1:])
            if start["status"] == 200:
                body = json.dumps([self._own_path(Path(path)) for path in json.loads(body)]).encode()
                MutableHeaders(scope=start)["Content-Length"] = str(len(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})

        return send_own_paths

    def _own_path(self, stored: Path) -> str:
        folder = self._uploads / secrets.token_urlsafe(16)
        folder.mkdir()
        os.link(stored, folder / stored.name)
        return str(folder / stored.name)
