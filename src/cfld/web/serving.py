"""The server of both web applications: connections with deadlines, visitors' addresses behind reverse proxies."""

from __future__ import annotations

import ipaddress
import resource
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from cfld.web.connections import TimedProtocol

LOOPBACK: Final = ("127.0.0.0/8", "::1")
"""Addresses of a reverse proxy on this machine."""


def make_server(app: ASGIApp, max_connections: int, trusted_proxies: Sequence[str] = LOOPBACK) -> uvicorn.Server:
    """A server for `app`: run it with `.run(sockets=[...])`. It raises the process's limit of open files if need be.

    Args:
        max_connections: served at the same time; further ones get response 503.
        trusted_proxies: addresses and networks of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto`
            give the visitor's address and scheme. From others these headers are ignored.

    Raises:
        ValueError: for a proxy that is neither an address nor a network.
    """
    for proxy in trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ValueError(
                f"--trusted-proxies: {error}; expected addresses or networks, such as 10.0.0.0/8"
            ) from None
    _allow_files(2 * max_connections)
    config = uvicorn.Config(
        app,
        http=TimedProtocol.of_at_most(max_connections),
        ws="none",
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        limit_concurrency=max_connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


@contextmanager
def serve_in_background(
    app: ASGIApp, listening: socket.socket, max_connections: int, trusted_proxies: Sequence[str] = LOOPBACK
) -> Iterator[None]:
    """Serves inside the block, in a thread; see `make_server`."""
    server = make_server(app, max_connections, trusted_proxies)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start; the log has the reason")
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _allow_files(count: int) -> None:
    """Raises the number of files, sockets included, that the process may open, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
