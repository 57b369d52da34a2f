"""Starting the server: options that are rejected; what Gradio keeps of sessions."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import gradio as gr
import pytest

from cfld.app.engine import Engine
from cfld.app.limits import Limits
from cfld.app.server import MAX_UNREAD, UPLOAD_FOLDER, _careless, _forget, serve
from cfld.app.sessions import Sessions
from cfld.pipeline import CFLDPipeline


def test_invalid_options_are_reported_before_anything_is_set_up(model_folder: Path) -> None:
    engine, before = Engine(CFLDPipeline.from_pretrained(model_folder)), os.environ.get(UPLOAD_FOLDER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match="cannot listen"), serve(engine, port=port):
            pass
    with pytest.raises(ValueError, match="at least 1 place"), serve(engine, port=0, queue_limit=0):
        pass
    assert os.environ.get(UPLOAD_FOLDER) == before


def keep(page: gr.Blocks, session: str, results: int) -> None:
    """Gives Gradio a session with so many results that wait to be read."""
    page._queue.pending_event_ids_session[session] = {f"{session}{i}" for i in range(results)}
    page._queue.pending_messages_per_session[session] = None
    page.state_holder[session]  # made at the first access
    assert session in page.state_holder.session_data


def test_sessions_that_do_not_read_their_results_are_found(tmp_path: Path) -> None:
    page = gr.Blocks().queue()
    sessions = Sessions(tmp_path, None, Limits(requests=3))
    for name, results in {"reader": 3 + MAX_UNREAD, "careless": 4 + MAX_UNREAD, "dropped": 1}.items():
        keep(page, name, results)
    del page._queue.pending_messages_per_session["dropped"]
    assert _careless(page, sessions) == ["careless", "dropped"]


def test_nothing_is_kept_of_a_forgotten_session() -> None:
    page = gr.Blocks().queue()
    keep(page, "gone", 2)
    keep(page, "stays", 2)
    _forget(page, ["gone", "unknown"])
    kept = (
        page._queue.pending_event_ids_session,
        page._queue.pending_messages_per_session,
        page.state_holder.session_data,
        page.state_holder.time_last_used,
    )
    assert [list(one) for one in kept] == [["stays"]] * 4
