"""The listening socket of a server."""

from __future__ import annotations

import socket


def listen(host: str, port: int, backlog: int | None = None) -> socket.socket:
    """Opens a listening TCP socket. Accepted connections inherit its TCP_NODELAY: nothing sent waits for the client.

    Args:
        host: IPv4 or IPv6 address, or host name, of this machine.
        port: 0 = any free port.
        backlog: connections that may wait to be accepted; None = Python's default.

    Raises:
        ValueError: if the port is in use or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=backlog)
    except (OSError, OverflowError) as error:
        raise ValueError(f"--host {host} --port {port}: cannot listen there ({error})") from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url_host(host: str) -> str:
    """The host as URLs write it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
