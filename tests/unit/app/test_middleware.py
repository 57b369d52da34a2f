"""The middleware in front of a small ASGI app: routes, hosts, files, bodies, headers, uploads, shares of the queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Scope

from cfld.app.limits import Limits
from cfld.app.live_route import LIVE
from cfld.app.middleware import MAX_BODY, MAX_DEPTH, MAX_VALUES, UPLOAD, UPLOAD_OVERHEAD, AppMiddleware
from cfld.app.sessions import Sessions
from cfld.app.upload_route import MAX_FILES
from cfld.web.hosts import Hosts

JOIN = "/gradio_api/queue/join"
LIMITS = Limits(megabytes=0.001, requests=3, visitor_megabytes=0.1)


def nested(levels: int) -> Any:
    """A list of so many levels."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def queued() -> list[Scope]:
    """The requests in the queue."""
    return []


@pytest.fixture
def client(root: Path, queued: list[Scope]) -> TestClient:
    async def echo(request: Request) -> Response:
        return PlainTextResponse(await request.body())

    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    guarded = AppMiddleware(app, Sessions(root, limits=LIMITS), LIMITS, Hosts("127.0.0.1"), lambda: queued)
    return TestClient(guarded, base_url="http://127.0.0.1:7860", client=("192.0.2.1", 1))


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
    response = client.post(JOIN, content=content)
    assert response.status_code == status
    assert response.text == content or "uploaded here" in response.text


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 2000])
def test_bodies_are_json(client: TestClient, content: bytes) -> None:
    assert client.post(JOIN, content=content).status_code == 400
    assert client.post("/gradio_api/cancel", content=b"").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([0] * (MAX_VALUES - 1), 200),
        ([0] * (MAX_VALUES + 2), 413),
        ([{}] * MAX_VALUES, 413),
        (nested(MAX_DEPTH), 200),
        (nested(MAX_DEPTH + 1), 413),
        ({"data": nested(MAX_DEPTH + 20)}, 413),
    ],
)
def test_bodies_have_few_values_and_levels(client: TestClient, body: Any, status: int) -> None:
    assert client.post(JOIN, json=body).status_code == status


@pytest.mark.parametrize(("path", "limit"), [(JOIN, MAX_BODY), (UPLOAD, LIMITS.bytes + UPLOAD_OVERHEAD)])
def test_large_bodies_are_refused(client: TestClient, path: str, limit: int) -> None:
    for body in (b" " * (limit + 1), iter([b" " * limit, b" "])):
        response = client.post(path, content=body, headers={"content-type": "multipart/form-data; boundary=x"})
        assert (response.status_code, "too large" in response.text) == (413, True)


def test_every_upload_has_a_path_of_its_own(client: TestClient, root: Path) -> None:
    paths = {client.post(UPLOAD, files={"files": ("../a b.png", b"same")}).json()[0] for _ in range(3)}
    assert len(paths) == 3
    for path in map(Path, paths):
        assert path.is_relative_to(root / "uploads")
        assert (path.name, path.read_bytes()) == ("a b.png", b"same")


def test_uploads_are_a_few_files_and_nothing_else(client: TestClient, root: Path) -> None:
    def send(**parts: Any) -> int:
        return client.post(UPLOAD, **parts).status_code

    assert send(files=[("files", (f"{i}", b"x")) for i in range(MAX_FILES)]) == 200
    stored = set(root.rglob("*"))
    assert send(files=[("files", (f"{i}", b"x")) for i in range(MAX_FILES + 1)]) == 400
    assert send(files={"files": ("a", b"x")}, data={"field": "x"}) == 400
    assert send(data={"field": "x"}) == 400
    assert set(root.rglob("*")) == stored


def test_a_visitor_has_a_share_of_the_disk(client: TestClient) -> None:
    sizes = [client.post(UPLOAD, files={"files": ("a", b"x" * 40_000)}) for _ in range(4)]
    assert [response.status_code for response in sizes] == [200, 200, 429, 429]
    assert "0.1 MB" in sizes[2].json()["detail"]


def test_a_visitor_has_a_share_of_the_queue(client: TestClient, queued: list[Scope]) -> None:
    calls = (JOIN, "/gradio_api/call/attention", "/gradio_api/run/predict", LIVE)
    queued += [{"type": "http", "client": (f"192.0.2.{i}", 1)} for i in (1, 1, 2, 2, 2)]
    assert {client.post(path, json={}).status_code for path in calls} == {200}
    queued += [{"type": "http", "client": ("192.0.2.1", 2)}]
    for path in calls:
        response = client.post(path, json={})
        assert (response.status_code, "3 of your requests" in response.text) == (429, True)
    assert client.post(UPLOAD, files={"files": ("a", b"x")}).status_code == 429
    assert client.post("/gradio_api/cancel", json={}).status_code == 200
    queued.clear()
    assert {client.post(path, json={}).status_code for path in calls} == {200}


def test_other_hosts_and_other_sites_are_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert client.post(JOIN, json={}, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post(JOIN, json={}, headers={"origin": "http://127.0.0.1:7860"}).status_code == 200
