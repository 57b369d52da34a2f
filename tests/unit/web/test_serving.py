"""Visitors' addresses behind reverse proxies: believed from trusted ones, ignored from others."""

from __future__ import annotations

import resource
import socket

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from cfld.web.rate_limit import client_address
from cfld.web.serving import LOOPBACK, make_server
from support.serving import exchange, running


async def address(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse(f"{scope['scheme']} {client_address(scope)}")(scope, receive, send)


def seen(port: int, *forwarded: str, host: str = "127.0.0.1") -> str:
    """The scheme and the address that the site sees."""
    lines = "".join(f"X-Forwarded-For: {value}\r\nX-Forwarded-Proto: https\r\n" for value in forwarded)
    request = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"
    return exchange(port, request.encode("latin-1"), host).rpartition(b"\r\n\r\n")[2].decode()


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ((), "http 127.0.0.1"),
        (("203.0.113.7",), "https 203.0.113.7"),
        (("198.51.100.1, 203.0.113.7",), "https 203.0.113.7"),  # the visitor wrote the first one
        (("198.51.100.1", "203.0.113.7"), "https 203.0.113.7"),
        (("127.0.0.1, 203.0.113.7",), "https 203.0.113.7"),
        (("203.0.113.7, 127.0.0.2",), "https 203.0.113.7"),  # two proxies
        (("::ffff:203.0.113.7",), "https 203.0.113.7"),
        (("203.0.113.7:4321",), "https 203.0.113.7"),
        (("2001:db8:1:2:3:4:5:6",), "https 2001:db8:1:2::/64"),
        (("fe80::1%eth0",), "https fe80::/64"),
        (("",), "https 127.0.0.1"),
    ],
)
def test_addresses_from_a_proxy_on_this_machine(forwarded: tuple[str, ...], expected: str) -> None:
    with running(address) as port:
        assert seen(port, *forwarded) == expected


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8",)])
def test_headers_of_others_are_ignored(proxies: tuple[str, ...]) -> None:
    with running(address, trusted_proxies=proxies) as port:
        assert seen(port, "203.0.113.7") == "http 127.0.0.1"


def test_this_machine_by_another_of_its_addresses_is_not_trusted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        own = probe.getsockname()[0]
    with running(address, host="0.0.0.0", trusted_proxies=LOOPBACK) as port:
        assert seen(port, "203.0.113.7", host=own) == f"http {own}"


@pytest.mark.parametrize("proxy", ["nonsense", "10.0.0.1/8", "*", ""])
def test_wrong_proxies_are_one_line(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"^--trusted-proxies: .* expected addresses or networks"):
        make_server(address, 100, [proxy])


def test_as_many_files_as_connections() -> None:
    make_server(address, 4096)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft >= min(8192, hard) or hard == resource.RLIM_INFINITY
