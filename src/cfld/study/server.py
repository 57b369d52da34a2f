"""The study's site as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from cfld.readers.images import decoding_errors, open_image
from cfld.study.database import Database, DatabaseError
from cfld.study.definition import Limits, StudyFolder
from cfld.study.middleware import STATIC, StudyMiddleware
from cfld.study.participant_pages import ParticipantPages
from cfld.study.results_pages import ResultsPages

logger = logging.getLogger(__name__)

PAGES: Final = Path(__file__).parent / "pages"
BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""
MAX_CONNECTIONS: Final = 4096
"""Connections served at the same time; further ones get response 503."""
THREADS: Final = 4
"""Requests handled at the same time; as Python threads share one interpreter, more would only wait for each other."""


def create_app(opened: StudyFolder, database: Database, limits: Limits) -> ASGIApp:
    """The whole site of one study.

    Raises:
        ValueError: for an image that is damaged or of another size.
    """
    _check_images(opened)
    pages = Environment(
        loader=PackageLoader("cfld.study", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_limit_threads)
    app.include_router(ParticipantPages(opened, database, pages, limits).routes())
    app.include_router(ResultsPages(opened, database, pages).routes())
    app.mount(STATIC, StaticFiles(directory=PAGES / "static"))
    for kind in (HTTPException, RequestValidationError, DatabaseError, OSError):
        app.add_exception_handler(kind, _error_page(pages))
    return StudyMiddleware(app, limits.requests)


def _check_images(opened: StudyFolder) -> None:
    height, width = opened.study.size
    for path in map(opened.image, opened.study.image_ids()):
        with open_image(path) as image, decoding_errors(path):
            image.verify()
        if image.size != (width, height):
            raise ValueError(f"{path}: {image.height} x {image.width}, expected {height} x {width}; restore the file")


@asynccontextmanager
async def _limit_threads(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _error_page(pages: Environment) -> Callable[[Request, Exception], Response]:
    """Handler that answers with a short page and reveals no internals."""

    def respond(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            status = error.status_code
        elif isinstance(error, RequestValidationError):
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            logger.error("a request failed: %s", error)
            status = HTTPStatus.SERVICE_UNAVAILABLE
        page = pages.get_template("error.html").render(reason=HTTPStatus(status).phrase)
        return HTMLResponse(page, status)

    return respond
