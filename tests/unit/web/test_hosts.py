"""Names that a server answers to, and sites whose pages may send requests."""

from __future__ import annotations

import socket

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Scope

from cfld.web.hosts import Hosts


def request(*headers: tuple[str, str]) -> Scope:
    return {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers]}


def status(hosts: Hosts, *headers: tuple[str, str]) -> int:
    """Of the refusal; 200 if there is none."""
    try:
        hosts.check(request(*headers))
    except HTTPException as error:
        return error.status_code
    return 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:7860", 200),
        ("192.168.0.7:7860", 200),
        ("[::1]:7860", 200),
        ("[fe80::1]", 200),
        ("localhost:7860", 200),
        ("LocalHost", 200),
        ("localhost.", 200),
        (socket.gethostname(), 200),
        ("study.example.org:7860", 200),
        ("cfld.example.net", 200),
        ("a.tunnel.example", 200),
        ("tunnel.example", 403),
        ("evil.example", 403),
        ("evil.example:7860", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("cfld.example.net.evil.example", 403),
        ("", 400),
        ("a b", 400),
        ("127.0.0.1:7860/", 400),
        ("evil.example@127.0.0.1", 400),
        ("127.0.0.1,evil.example", 403),
        ("[::1", 400),
    ],
)
def test_only_own_names_are_answered(host: str, expected: int) -> None:
    hosts = Hosts("study.example.org", ["cfld.example.net", "*.tunnel.example"])
    assert status(hosts, ("host", host)) == expected


def test_a_request_names_one_host() -> None:
    hosts = Hosts("127.0.0.1")
    assert status(hosts) == 400
    assert status(hosts, ("host", "127.0.0.1"), ("host", "127.0.0.1")) == 400


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("localhost:7860", "http://localhost:7860", 200),
        ("LOCALHOST:7860", "http://localhost:7860", 200),
        ("localhost", "http://localhost", 200),
        ("localhost:80", "http://localhost", 200),
        ("[::1]:7860", "http://[::1]:7860", 200),
        ("cfld.example.net", "https://cfld.example.net", 200),
        ("127.0.0.1:7860", "https://cfld.example.net", 200),
        ("localhost:7860", "http://localhost:8000", 403),
        ("localhost:7860", "http://127.0.0.1:7860", 403),
        ("localhost:7860", "https://evil.example", 403),
        ("localhost:7860", "null", 403),
        ("localhost:7860", "http://[", 403),
        ("localhost:7860", "", 403),
    ],
)
def test_pages_of_other_sites_are_refused(host: str, origin: str, expected: int) -> None:
    """A proxy may call the server by an address while browsers call it by an allowed name."""
    assert status(Hosts("0.0.0.0", ["cfld.example.net"]), ("host", host), ("origin", origin)) == expected


def test_an_asterisk_allows_all_names() -> None:
    hosts = Hosts("127.0.0.1", ["*"])
    assert status(hosts, ("host", "anything.example"), ("origin", "https://other.example")) == 200
