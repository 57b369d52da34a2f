"""Deadlines of connections, with a real server and real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cfld.web import connections
from support.serving import exchange, running, status

PATIENCE = 1.0
"""Enough for a whole request on a busy machine."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {len(await request.body())}")


async def large(_: Request) -> Response:
    return Response(bytes(2**26))


async def unread(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("not read")(scope, receive, send)


SITE: ASGIApp = Starlette(
    routes=[Route("/", hello, methods=["GET", "POST"]), Route("/large", large), Route("/unread", unread)]
)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "PATIENCE", PATIENCE)
    with running(SITE) as port:
        yield port


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(sent)
    return connection


def is_closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def is_refused(connection: socket.socket, part: bytes, pause: float) -> bool:
    """Whether the connection breaks while `part` is sent again and again."""
    deadline = time.monotonic() + 40 * PATIENCE
    try:
        while time.monotonic() < deadline:
            connection.sendall(part)
            time.sleep(pause)
    except OSError:
        return True
    return False


def receive_until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        part = connection.recv(1000)
        assert part, f"closed after {received!r}"
        received += part


def received(connection: socket.socket, pause: float = 0.0) -> int:
    """Number of bytes until the connection is closed."""
    count = 0
    while part := connection.recv(2**22):
        count += len(part)
        time.sleep(pause)
    return count


def test_half_a_request_is_cut_off(port: int) -> None:
    """Nothing, a word, headers, no body, half a body, half a chunk."""
    chunk = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5"
    begin = time.monotonic()
    opened = [connect(port, sent) for sent in (b"", b"GET", GET[:-2], POST, POST + b"123", chunk)]
    assert [is_closed(connection, 20) for connection in opened] == [True] * 6
    assert time.monotonic() - begin >= PATIENCE
    for connection in opened:
        connection.close()


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", POST.replace(b"10", b"1000")])
def test_a_request_byte_by_byte_is_cut_off(port: int, start: bytes) -> None:
    """At every byte the client looks alive."""
    with connect(port, start) as connection:
        assert is_refused(connection, b"x", pause=PATIENCE / 10)


def test_a_slow_request_above_the_least_rate_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_RATE", 1000.0)
    with connect(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n") as connection:
        for _ in range(10):
            connection.sendall(b"x" * 300)
            time.sleep(PATIENCE / 5)
        receive_until(connection, b"POST 3000")


def test_a_second_request_has_a_deadline_too(port: int) -> None:
    with connect(port, GET) as connection:
        receive_until(connection, b"GET 0")
        time.sleep(2 * PATIENCE)  # between requests, uvicorn's time for idle connections holds
        connection.sendall(GET)
        receive_until(connection, b"GET 0")
        connection.sendall(GET[:10])
        assert is_closed(connection, 10)


def test_a_body_that_nobody_reads_is_not_received_for_ever(port: int) -> None:
    with connect(port, b"GET /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        assert is_refused(connection, b"400\r\n" + b"x" * 1024 + b"\r\n", pause=PATIENCE / 50)


def test_a_response_that_is_not_taken_is_dropped(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MIN_RATE", 2.0**27)
    with connect(port, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as connection:
        time.sleep(4 * PATIENCE)
        assert received(connection) < 2**26


def test_a_response_that_is_taken_slowly_is_complete(port: int) -> None:
    with connect(port, b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as connection:
        assert received(connection, pause=PATIENCE / 20) > 2**26


def test_waiting_connections_do_not_keep_others_out() -> None:
    with running(SITE, max_connections=16) as port:
        held = [connect(port, GET[:5]) for _ in range(30)]
        assert status(exchange(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == 200
        closed = [is_closed(connection, 0.1) for connection in held]
        assert closed[:22] == [True] * 22, "the oldest"
        assert sum(closed) <= 23
        for connection in held:
            connection.close()
