"""The site as an ASGI application, and a server that runs it."""

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
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cfld.study.answers import Answers
from cfld.study.definition import OpenStudy
from cfld.study.middleware import STATIC, Limits, StudyMiddleware
from cfld.study.results_pages import EventHandlers
from cfld.study.site import Site

PAGES: Final = Path(__file__).parent / "pages"
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""
MAX_CONNECTIONS: Final = 4096
"""Connections served at the same time; further ones get response 503."""
THREADS: Final = 4
"""Pages rendered at the same time."""


def create_app(opened: OpenStudy, answers: Answers, limits: Limits) -> ASGIApp:
    """The whole site of one study."""
    pages = Environment(
        loader=PackageLoader("cfld.study", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_few_threads)
    app.include_router(Site(opened, answers, pages, limits).routes())
    app.include_router(EventHandlers(opened, answers, pages).routes())
    app.mount(STATIC, StaticFiles(directory=PAGES / "static"))
    app.add_exception_handler(HTTPException, _refuse(pages))
    app.add_exception_handler(RequestValidationError, _refuse(pages))
    return StudyMiddleware(app, limits.requests)


def serve(app: ASGIApp, listening: socket.socket, behind_proxy: bool) -> None:
    """Serves until it is stopped.

    Args:
        behind_proxy: take the visitor's address and scheme from a reverse proxy on this machine.
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
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    """Threads share one interpreter: more of them only wait for one another."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _refuse(pages: Environment) -> Callable[[Request, Exception], Response]:
    """Turns what a route raises into a short page, whatever it was: it tells nothing of the inside."""

    def refuse(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.UNPROCESSABLE_ENTITY
        page = pages.get_template("refused.html").render(reason=HTTPStatus(status).phrase)
        return Response(page, status, media_type="text/html")

    return refuse
