"""Serves the page: one process, one model, a bounded queue; uploads and results in a temporary folder."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import gradio as gr
import gradio.routes
from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import Scope

from cfld.app.engine import Engine
from cfld.app.event_handlers import EventHandlers
from cfld.app.folder import temporary_folder
from cfld.app.live_route import live_route
from cfld.app.middleware import AppMiddleware
from cfld.app.page import build_page
from cfld.app.sessions import Lifetime, Sessions
from cfld.web.hosts import Hosts
from cfld.web.listening import listen, url_host
from cfld.web.serving import LOOPBACK, serve_in_background

logger = logging.getLogger(__name__)

CLEANUP_SECONDS: Final = 5.0
UPLOAD_FOLDER: Final = "GRADIO_TEMP_DIR"
"""Environment variable; Gradio has no other setting for the folder of uploads."""
THREADS: Final = 16
"""Functions behind the page's events that run at the same time."""
MAX_CONNECTIONS: Final = 512
"""Connections served at the same time; further ones get response 503."""
MAX_UNREAD: Final = 16
"""Results that a session leaves unread, besides those it waits for."""


@contextmanager
def serve(
    engine: Engine,
    host: str = "127.0.0.1",
    port: int = 7860,
    queue_limit: int = 40,
    lifetime: Lifetime | None = None,
    allowed_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[str] = LOOPBACK,
) -> Iterator[str]:
    """Serves the page inside the block; yields its address. All visitors' files are removed at the end.

    Args:
        host: address to listen on.
        port: 0 = any free port.
        queue_limit: requests that may wait; further ones are rejected.
        lifetime: of files.
        allowed_hosts: see `Hosts`.
        trusted_proxies: see `serve_in_background`.

    Raises:
        ValueError: if the port is in use, the address does not belong to this machine, or the limit is below 1.
    """
    if queue_limit < 1:
        raise ValueError(f"the queue needs at least 1 place, got {queue_limit}")
    with listen(host, port) as listening, _upload_folder() as folder:
        sessions = Sessions(folder, lifetime, engine.limits)
        page = build_page(EventHandlers(engine, sessions))
        page.max_threads, page.state_session_capacity = THREADS, engine.limits.sessions
        page.queue(max_size=queue_limit, default_concurrency_limit=1, api_open=False)
        page._queue.pending_messages_per_session.max_size = engine.limits.sessions
        hosts = Hosts(host, allowed_hosts)
        routes = [live_route(engine.live, sessions)] if engine.live else []
        app = AppMiddleware(_application(page, routes), sessions, engine.limits, hosts, lambda: _queued(page))
        with serve_in_background(app, listening, MAX_CONNECTIONS, trusted_proxies), _cleaning_up(page, sessions):
            try:
                yield f"http://{url_host(host)}:{listening.getsockname()[1]}/"
            finally:
                engine.cancel_all()
                page.close(verbose=False)


def _application(page: gr.Blocks, routes: Sequence[BaseRoute]) -> FastAPI:
    """The page and further routes as an ASGI application."""
    parent = gr.mount_gradio_app(
        FastAPI(routes=list(routes), openapi_url=None, docs_url=None, redoc_url=None),
        page,
        path="/",
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        theme=gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")),
        css=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
    )
    page.app = parent.routes[-1].app  # whose event streams `Blocks.close` ends
    return parent


def _queued(page: gr.Blocks) -> Iterable[Scope]:
    return [event.request.scope for event in list(page._queue.event_ids_to_events.values())]


@contextmanager
def _upload_folder() -> Iterator[Path]:
    """A new folder that only this user can read, set as Gradio's folder for uploads and for what its routes write.

    For the latter it reads the variable when it is imported, else takes /tmp/gradio, which may be another user's.
    """
    previous = os.environ.get(UPLOAD_FOLDER)
    with temporary_folder() as folder:
        os.environ[UPLOAD_FOLDER] = gradio.routes.DEFAULT_TEMP_DIR = str(folder)  # type: ignore[attr-defined]
        try:
            yield folder
        finally:
            os.environ.pop(UPLOAD_FOLDER)
            if previous is not None:
                os.environ[UPLOAD_FOLDER] = previous


@contextmanager
def _cleaning_up(page: gr.Blocks, sessions: Sessions) -> Iterator[None]:
    """Inside, expired files are removed every few seconds."""
    stop = threading.Event()

    def clean_up() -> None:
        while not stop.wait(CLEANUP_SECONDS):
            try:
                _forget(page, [*sessions.remove_expired(), *_careless(page, sessions)])
            except Exception:
                logger.exception("removing expired files failed; it will be tried again")

    thread = threading.Thread(target=clean_up, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _careless(page: gr.Blocks, sessions: Sessions) -> list[str]:
    """Sessions that do not read their results, or whose results Gradio has dropped already."""
    queue, limit = page._queue, sessions.limits.requests + MAX_UNREAD
    pending = list(queue.pending_event_ids_session.items())
    return [name for name, ids in pending if len(ids) > limit or name not in queue.pending_messages_per_session]


def _forget(page: gr.Blocks, names: Iterable[str]) -> None:
    """Removes what Gradio keeps of sessions, for ever or for hours."""
    for name in names:
        page._queue.pending_messages_per_session.pop(name, None)
        page._queue.pending_event_ids_session.pop(name, None)
        page.state_holder.session_data.pop(name, None)
        page.state_holder.time_last_used.pop(name, None)
