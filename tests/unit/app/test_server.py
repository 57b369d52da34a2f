"""Starting the server: options that are rejected."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cfld.app.engine import Engine
from cfld.app.server import UPLOAD_FOLDER, serve
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
