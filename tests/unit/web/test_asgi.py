"""Body limits, by the declared length and by what arrives; security headers on responses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from cfld.web.asgi import BodyTooLarge, check_content_length, limit_body, security_headers, with_headers


def scope(*content_length: str) -> dict[str, Any]:
    return {"type": "http", "headers": [(b"content-length", value.encode()) for value in content_length]}


def test_declared_length() -> None:
    assert check_content_length(scope("10"), 10) == 10
    assert check_content_length(scope(), 10) is None
    for nonsense in ("", "-1", "1e3", "0x5"):
        assert check_content_length(scope(nonsense), 10) is None
    with pytest.raises(BodyTooLarge, match="exceeds 10 bytes") as raised:
        check_content_length(scope("11"), 10)
    assert raised.value.limit == 10


def receive_all(chunks: list[bytes], limit: int) -> bytes:
    messages = [{"type": "http.request", "body": chunk} for chunk in chunks]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def read() -> bytes:
        limited = limit_body(receive, limit)
        return b"".join([(await limited())["body"] for _ in range(len(chunks))])

    return asyncio.run(read())


def test_received_length() -> None:
    assert receive_all([b"12", b"", b"345"], 5) == b"12345"
    with pytest.raises(BodyTooLarge):
        receive_all([b"12", b"345", b"6"], 5)


def test_headers_are_set_and_replace_others() -> None:
    page = PlainTextResponse("hello", headers={"Referrer-Policy": "unsafe-url", "x-other": "kept"})
    site = Starlette(routes=[Route("/", lambda _: page)])
    headers = security_headers("default-src 'none'", referrer_policy="no-referrer")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await site(scope, receive, with_headers(send, headers))

    client = TestClient(app)
    for path, status in (("/", 200), ("/nowhere", 404)):
        response = client.get(path)
        assert response.status_code == status
        assert headers.items() <= dict(response.headers).items()
    assert client.get("/").headers.get_list("referrer-policy") == ["no-referrer"]
    assert client.get("/").headers["x-other"] == "kept"
