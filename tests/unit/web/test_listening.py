"""Listening sockets, and one clear line where there can be none."""

from __future__ import annotations

import socket

import pytest

from cfld.web.listening import listen, url_host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_port_0_is_a_free_port_that_accepts_connections(host: str) -> None:
    with listen(host, 0) as server:
        port = server.getsockname()[1]
        assert port > 0
        with socket.create_connection((host, port)), server.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "else responses wait for the client"


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_a_wrong_address_is_one_line(host: str, port: int) -> None:
    with pytest.raises(ValueError, match=f"^--host {host} --port {port}: cannot listen there .*$"):
        listen(host, port)


def test_a_port_in_use() -> None:
    with listen("127.0.0.1", 0) as server:
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=f"--port {port}: cannot listen there .*in use"):
            listen("127.0.0.1", port)


def test_ipv6_in_brackets() -> None:
    assert (url_host("::1"), url_host("127.0.0.1")) == ("[::1]", "127.0.0.1")
