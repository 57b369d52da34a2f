"""The middleware in front of a small ASGI app: routes, files, bodies, headers, and paths of uploads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from cfld.app.middleware import MAX_BODY, UPLOAD, UPLOAD_OVERHEAD, AppMiddleware

MAX_UPLOAD = 1000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "uploads").mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def client(root: Path) -> TestClient:
    async def upload(request: Request) -> Response:
        (root / "stored.png").write_bytes(await request.body())
        return JSONResponse([str(root / "stored.png")])

    async def echo(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    routes = [Route(UPLOAD, upload, methods=["POST"]), Route("/{path:path}", echo, methods=["GET", "POST"])]
    middleware = Middleware(AppMiddleware, root, root / "uploads", MAX_UPLOAD)
    return TestClient(Starlette(routes=routes, middleware=[middleware]))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/config", 200),
        ("/gradio_api/heartbeat/abc", 200),
        ("/gradio_api/file={root}/uploads/a.png", 200),
        ("/gradio_api/file=/etc/passwd", 403),
        ("/gradio_api/file={root}/../secret", 403),
        ("/gradio_api/file={root}/%252e%252e/secret", 403),
        ("/monitoring", 404),
        ("/gradio_api/proxy=https://example.com", 404),
    ],
)
def test_only_the_pages_routes_and_files_are_served(client: TestClient, root: Path, path: str, status: int) -> None:
    response = client.get(path.format(root=root))
    assert response.status_code == status
    assert "default-src 'self'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": [1, None, {"path": None}]}, 200),
        ({"data": [{"path": "{root}/uploads/a.png"}]}, 200),
        ({"data": [{"path": "/etc/passwd"}]}, 400),
        ({"data": [{"layers": [{"path": "https://example.com"}]}]}, 400),
        ({"data": [{"path": {"path": "{root}/a.png"}}]}, 400),
        ({"path": 3}, 400),
    ],
)
def test_requests_name_only_uploaded_files(client: TestClient, root: Path, body: Any, status: int) -> None:
    content = json.dumps(body).replace("{root}", str(root))
    response = client.post("/gradio_api/queue/join", content=content)
    assert response.status_code == status
    assert response.text == content or "uploaded here" in response.text


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_bodies_are_json(client: TestClient, content: bytes) -> None:
    assert client.post("/gradio_api/queue/join", content=content).status_code == 400
    assert client.post("/gradio_api/cancel", content=b"").status_code == 200


@pytest.mark.parametrize(
    ("path", "limit"), [("/gradio_api/queue/join", MAX_BODY), (UPLOAD, MAX_UPLOAD + UPLOAD_OVERHEAD)]
)
def test_large_bodies_are_refused(client: TestClient, path: str, limit: int) -> None:
    for body in (b" " * (limit + 1), iter([b" " * limit, b" "])):
        response = client.post(path, content=body)
        assert (response.status_code, "too large" in response.text) == (413, True)


def test_every_upload_has_a_path_of_its_own(client: TestClient, root: Path) -> None:
    paths = {client.post(UPLOAD, content=b"same").json()[0] for _ in range(3)}
    assert len(paths) == 3
    for path in map(Path, paths):
        assert path.is_relative_to(root / "uploads")
        assert (path.name, path.read_bytes()) == ("stored.png", b"same")
