"""Requests as no browser sends them, byte by byte to a real server: each is refused, none fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from cfld.study.database import Database
from cfld.study.definition import StudyFolder
from cfld.study.server import create_app
from support.serving import exchange, running, status
from support.study import begin, hidden, question
from support.study_site import NO_LIMITS

TYPES = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/json",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=b",
    *(
        f"multipart/form-data; boundary=b; charset={name}"
        for name in ("utf-7", "unicode_escape", "hex", "idna", "\xff")
    ),
]
HEADERS = [
    "",
    *(f"Origin: {value}" for value in ("http://[", "http://a]", "null", "", "://", "http://\xff", "x" * 3000)),
    *(f"Sec-Fetch-Site: {value}" for value in ("cross-site", "\xff")),
    *(
        f"X-Forwarded-For: {value}"
        for value in ("fe80::1%eth0", "\xff,", "[::1", "::ffff:1.2.3.4", "1.2.3.4:x", "a" * 500)
    ),
    *(f"X-Forwarded-Proto: {value}" for value in ("https", "\xff", "javascript")),
    *(f"Authorization: {value}" for value in ("Bearer \xff", "", "Bearer", "Basic AAAA")),
    *(f"Range: bytes={value}" for value in ("0-1,5-2", "-1", "9" * 5000 + "-", "a-b")),
    *(f"If-Modified-Since: {value}" for value in ("x", "Mon, 99 Foo 99999999999 00:00:00 GMT")),
    "If-None-Match: \xff",
    "Expect: 100-continue",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    *(f"Content-Length: {value}" for value in ("-1", "1e3", "9" * 30, "99999999")),
]
HOSTS = ["a", "[", "[::1", "", "\xff", "a b", "http://a", "a:99999999", "x" * 300]
SEGMENTS = ["", ".", "..", "%2e%2e", "%00", "%ff", "%2f", "%5c", "~", ";", "a" * 3000, "keys.json", "study.json"]
ROUTES = ["image", "static", "study", "results", "results.json", "figures", "answer", "start", "study.css"]
QUERIES = [
    "",
    "?",
    "?part=2",
    "?part=" + "9" * 5000,
    "?part=NaN",
    "?part[]=1",
    "?unfinished=maybe",
    "?%00=%00",
    "?\xff",
]
VALUES = [
    "",
    "0",
    "1",
    "-1",
    "1e3",
    "0x1",
    "1_0",
    " 1 ",
    "9" * 3000,
    "NaN",
    "null",
    "[]",
    "\0",
    "é",
    "\u0661",
    "x" * 1000,
]
CONTENTS = [b"", b"0", b"+2AA-", b"\\ud800", b"\xff\xfe", b"x" * 2000]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO"]

Served = tuple[int, str, str]
"""Port, a participant's cookie, and the token in their forms."""


@pytest.fixture(scope="module")
def served(opened: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("answers") / "answers.sqlite"
    database = Database(f"sqlite:///{path}", opened.study.fingerprint())
    app = create_app(opened, database, NO_LIMITS)
    client = TestClient(app, follow_redirects=False)
    begin(client)
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    with running(app) as port:
        yield port, cookie, hidden(question(client), "token")
    database.close()


def send(served: Served, line: str, host: str, cookie: str, header: str, body: bytes = b"", kind: str = "") -> int:
    length = f"Content-Length: {len(body)}\r\nContent-Type: {kind}\r\n" if kind else ""
    further = f"{header}\r\n" if header else ""
    head = f"{line} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{further}{length}Connection: close\r\n\r\n"
    return status(exchange(served[0], head.encode("latin-1") + body))


def multipart(fields: list[tuple[str, bytes]], extra: str, end: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="%s"{extra}\r\n\r\n'
    return b"".join((head % name).encode() + content + b"\r\n" for name, content in fields) + end


NAMES = st.sampled_from(["token", "position", "choice", "password", "x"])
SETTINGS: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=150, **SETTINGS)
@given(
    route=st.sampled_from(["/answer", "/start", "/results"]),
    kind=st.sampled_from(TYPES),
    header=st.sampled_from(HEADERS),
    host=st.sampled_from(HOSTS),
    own_token=st.booleans(),
    fields=st.lists(st.tuples(NAMES, st.sampled_from(VALUES)), max_size=6),
    contents=st.lists(st.tuples(NAMES, st.sampled_from(CONTENTS)), max_size=6),
    extra=st.sampled_from(["", '; filename="a"', "; filename=", "\r\nContent-Type: text/plain; charset=utf-7"]),
    end=st.sampled_from([b"", b"&", b"%zz", b"\xff", b"\0", b"--b--\r\n", b"--b"]),
)
@example(  # a token that is no valid Unicode
    route="/answer",
    kind="multipart/form-data; boundary=b; charset=utf-7",
    header="",
    host="a",
    own_token=False,
    fields=[],
    contents=[("token", b"+2AA-"), ("position", b"0"), ("choice", b"1")],
    extra="",
    end=b"--b--\r\n",
)
@example(  # an origin that is no URL
    route="/answer",
    kind="application/x-www-form-urlencoded",
    header="Origin: http://[",
    host="a",
    own_token=True,
    fields=[("position", "0"), ("choice", "1")],
    contents=[],
    extra="",
    end=b"",
)
def test_malformed_forms(
    served: Served,
    route: str,
    kind: str,
    header: str,
    host: str,
    own_token: bool,
    fields: list[tuple[str, str]],
    contents: list[tuple[str, bytes]],
    extra: str,
    end: bytes,
) -> None:
    _, cookie, token = served
    own = {"token": token} if own_token else {}
    if "multipart" in kind:
        body = multipart([*((name, value.encode()) for name, value in own.items()), *contents], extra, end)
    else:
        body = urlencode([*own.items(), *fields]).encode() + end
    assert 200 <= send(served, f"POST {route}", host, cookie, header, body, kind) < 500


@settings(max_examples=250, **SETTINGS)
@given(
    method=st.sampled_from(METHODS),
    path=st.lists(st.sampled_from([*SEGMENTS, *ROUTES]), min_size=1, max_size=4).map("/".join),
    query=st.sampled_from(QUERIES),
    header=st.sampled_from(HEADERS),
    host=st.sampled_from(HOSTS),
    cookie=st.sampled_from(["{}", "{}; {}", "=", ";;;", "\xff=\xff", 'x="\\', "a=" + "b" * 3000]),
)
def test_malformed_paths_and_headers(
    served: Served, method: str, path: str, query: str, header: str, host: str, cookie: str
) -> None:
    cookie = cookie.replace("{}", served[1])
    assert 200 <= send(served, f"{method} /{path}{query}", host, cookie, header) < 500


@settings(max_examples=100, **SETTINGS)
@given(st.binary(min_size=1, max_size=300))
def test_bytes_that_are_no_request(served: Served, content: bytes) -> None:
    assert status(exchange(served[0], content + b"\r\n\r\n")) in (0, *range(400, 500))
