"""Security headers on responses."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from cfld.web.headers import security_headers, with_headers


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
