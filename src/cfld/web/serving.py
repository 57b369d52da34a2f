"""The server of both web applications: connections with deadlines, and the visitors' addresses behind reverse proxies."""

from __future__ import annotations

import ipaddress
import resource
from collections.abc import Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from cfld.web.connections import TimedProtocol

LOOPBACK: Final = ("127.0.0.0/8", "::1")
"""Addresses of a reverse proxy on this machine."""
MAX_CONNECTIONS: Final = 4096
"""Connections served at the same time; further ones get response 503."""


def make_server(app: ASGIApp, trusted_proxies: Sequence[str] = LOOPBACK) -> uvicorn.Server:
    """A server for `app`: run it with `.run(sockets=[...])`. It raises the process's limit of open files if need be.

    Args:
        trusted_proxies: addresses and networks of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto`
            give the visitor's address and scheme. From others these headers are ignored.

    Raises:
        ValueError: for a proxy that is neither an address nor a network.
    """
    for proxy in trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise ValueError(f"--trusted-proxies: {error}; expected addresses or networks, such as 10.0.0.0/8") from None
    _allow_files(2 * MAX_CONNECTIONS)
    config = uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def _allow_files(count: int) -> None:
    """Raises the number of files, sockets included, that the process may open, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
