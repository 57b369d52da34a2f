"""A server in a thread of the test, and requests as bytes."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from starlette.types import ASGIApp

from cfld.web.listening import listen
from cfld.web.serving import LOOPBACK, serve_in_background


@contextmanager
def running(
    app: ASGIApp, host: str = "127.0.0.1", trusted_proxies: Sequence[str] = LOOPBACK, max_connections: int = 100
) -> Iterator[int]:
    """The port of a server that runs meanwhile."""
    listening = listen(host, 0)
    with serve_in_background(app, listening, max_connections, trusted_proxies):
        yield listening.getsockname()[1]


def exchange(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    """All that the server answers until it closes the connection."""
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def status(response: bytes) -> int:
    """The status code of a response, after interim ones; 0 for none."""
    found = re.search(rb"^HTTP/1\.1 ([2-5]\d\d) ", response, re.MULTILINE)
    return int(found[1]) if found else 0
