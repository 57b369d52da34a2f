"""The study's site as an ASGI application, and its server."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cfld.study.database import Database
from cfld.study.definition import Limits, StudyFolder
from cfld.study.middleware import STATIC, StudyMiddleware
from cfld.study.participant_pages import ParticipantPages
from cfld.study.results_pages import ResultsPages

PAGES: Final = Path(__file__).parent / "pages"
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""
MAX_CONNECTIONS: Final = 4096
"""Connections served at the same time; further ones get response 503."""
THREADS: Final = 4
"""Requests handled at the same time; as Python threads share one interpreter, more would only wait for each other."""


def create_app(opened: StudyFolder, database: Database, limits: Limits) -> ASGIApp:
    """The whole site of one study."""
    pages = Environment(
        loader=PackageLoader("cfld.study", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_limit_threads)
    app.include_router(ParticipantPages(opened, database, pages, limits).routes())
    app.include_router(ResultsPages(opened, database, pages).routes())
    app.mount(STATIC, StaticFiles(directory=PAGES / "static"))
    app.add_exception_handler(HTTPException, _error_page(pages))
    app.add_exception_handler(RequestValidationError, _error_page(pages))
    return StudyMiddleware(app, limits.requests)


def serve(app: ASGIApp, listening: socket.socket, behind_proxy: bool) -> None:
    """Serves until stopped.

    Args:
        behind_proxy: trust the client address and scheme given by a reverse proxy on this machine.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=behind_proxy,
        forwarded_allow_ips="127.0.0.1,::1",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listening])


@asynccontextmanager
async def _limit_threads(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _error_page(pages: Environment) -> Callable[[Request, Exception], Response]:
    """Handler that answers with a short page and reveals no internals."""

    def respond(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.UNPROCESSABLE_ENTITY
        page = pages.get_template("error.html").render(reason=HTTPStatus(status).phrase)
        return HTMLResponse(page, status)

    return respond
