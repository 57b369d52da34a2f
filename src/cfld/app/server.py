"""Serves the page: one process, one model, a bounded queue; uploads and results in a temporary folder."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import gradio as gr
from starlette.middleware import Middleware

from cfld.app.engine import Engine
from cfld.app.event_handlers import EventHandlers
from cfld.app.middleware import AppMiddleware
from cfld.app.page import build_page
from cfld.app.sessions import Lifetime, Sessions
from cfld.web.listening import listen, url_host

logger = logging.getLogger(__name__)

CLEANUP_SECONDS: Final = 5.0
UPLOAD_FOLDER: Final = "GRADIO_TEMP_DIR"
"""Environment variable; Gradio has no other setting for the folder of uploads."""


@contextmanager
def serve(
    engine: Engine,
    host: str = "127.0.0.1",
    port: int = 7860,
    queue_limit: int = 40,
    lifetime: Lifetime | None = None,
) -> Iterator[str]:
    """Serves the page inside the block; yields its address. All visitors' files are removed at the end.

    Args:
        host: address to listen on.
        port: 0 = any free port.
        queue_limit: requests that may wait; further ones are rejected.
        lifetime: of files.

    Raises:
        ValueError: if the port is in use, the address does not belong to this machine, or the limit is below 1.
    """
    if queue_limit < 1:
        raise ValueError(f"the queue needs at least 1 place, got {queue_limit}")
    with listen(host, port) as probe:  # Gradio opens its own socket
        port = probe.getsockname()[1]
    stop = threading.Event()
    with _upload_folder() as folder:
        sessions = Sessions(folder, lifetime)
        page = build_page(EventHandlers(engine, sessions))
        page.queue(max_size=queue_limit, default_concurrency_limit=1, api_open=False)
        threading.Thread(target=_clean_up, args=(sessions, stop), daemon=True).start()
        try:
            yield _launch(page, url_host(host), port, engine.limits.bytes, sessions)
        finally:
            stop.set()
            engine.cancel_all()
            page.close(verbose=False)


def _launch(page: gr.Blocks, host: str, port: int, max_upload: int, sessions: Sessions) -> str:
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        max_file_size=max_upload,
        theme=gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")),
        css=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
        app_kwargs={"middleware": [Middleware(AppMiddleware, sessions.root, sessions.uploads, max_upload)]},
    )
    return f"http://{host}:{port}/"


@contextmanager
def _upload_folder() -> Iterator[Path]:
    """A new folder that only this user can read, set as Gradio's folder for uploads."""
    previous = os.environ.get(UPLOAD_FOLDER)
    with tempfile.TemporaryDirectory(prefix="cfld-app-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.environ[UPLOAD_FOLDER] = str(folder)
        try:
            yield folder
        finally:
            os.environ.pop(UPLOAD_FOLDER)
            if previous is not None:
                os.environ[UPLOAD_FOLDER] = previous


def _clean_up(sessions: Sessions, stop: threading.Event) -> None:
    while not stop.wait(CLEANUP_SECONDS):
        try:
            sessions.remove_expired()
        except Exception:
            logger.exception("removing expired files failed; it will be tried again")
