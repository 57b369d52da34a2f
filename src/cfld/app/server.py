"""Serves the page: one process, one model, a queue with a limit; uploads and results in a folder of its own."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import gradio as gr
from starlette.middleware import Middleware

from cfld.app.engine import Engine
from cfld.app.event_handlers import EventHandlers
from cfld.app.middleware import Guard
from cfld.app.page import build_page
from cfld.app.sessions import Lifetime, Sessions

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 5.0
FONTS: Final = ("system-ui", "sans-serif")
MONOSPACE: Final = ("ui-monospace", "monospace")
TEMPORARY: Final = "GRADIO_TEMP_DIR"
"""The only means to tell Gradio where uploads go."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How the page is served.

    Attributes:
        host: the address to listen at.
        port: 0 = any free one.
        queue: drawings that may wait; further ones are refused.
        lifetime: how long files stay.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    queue: int = 40
    lifetime: Lifetime = field(default_factory=Lifetime)


@contextmanager
def serving(engine: Engine, how: Serving) -> Iterator[str]:
    """Serves inside the block; yields the address. At its end all files of all visitors are removed.

    Raises:
        ValueError: for a port in use, an address that is not this machine's, a queue without a place.
    """
    if how.queue < 1:
        raise ValueError(f"the queue needs at least 1 place, got {how.queue}")
    port, over = _free_port(how.host, how.port), threading.Event()
    with _own_folder() as folder:
        sessions = Sessions(folder, how.lifetime)
        page = build_page(EventHandlers(engine, sessions))
        page.queue(max_size=how.queue, default_concurrency_limit=1, api_open=False)
        threading.Thread(target=_sweep, args=(sessions, over), daemon=True).start()
        try:
            yield _launch(page, how.host, port, engine, sessions)
        finally:
            over.set()
            sessions.close()
            page.close(verbose=False)


def _launch(page: gr.Blocks, host: str, port: int, engine: Engine, sessions: Sessions) -> str:
    limit, shown = engine.limits.bytes, f"[{host}]" if ":" in host else host
    page.launch(
        server_name=shown,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inbrowser=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        show_error=False,
        max_file_size=limit,
        theme=gr.themes.Default(font=FONTS, font_mono=MONOSPACE),
        css=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
        app_kwargs={"middleware": [Middleware(Guard, sessions.root, sessions.uploads, limit)]},
    )
    return f"http://{shown}:{port}/"


def _free_port(host: str, port: int) -> int:
    """The port, or any free one for 0; raises ValueError where nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as listening:
            found: int = listening.getsockname()[1]
            return found
    except (OSError, OverflowError) as error:
        raise ValueError(f"--host {host} --port {port}: cannot listen there ({error})") from None


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A new folder that only this user can look into, and that Gradio is told to use."""
    before = os.environ.get(TEMPORARY)
    with tempfile.TemporaryDirectory(prefix="cfld-app-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.environ[TEMPORARY] = str(folder)
        try:
            yield folder
        finally:
            os.environ.pop(TEMPORARY)
            if before is not None:
                os.environ[TEMPORARY] = before


def _sweep(sessions: Sessions, over: threading.Event) -> None:
    while not over.wait(SWEEP_SECONDS):
        try:
            sessions.sweep()
        except Exception:
            logger.exception("files were not removed; it is tried again")
