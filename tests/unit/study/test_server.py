"""The whole site: what it serves, its limits, its headers."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from cfld.study.database import Database
from cfld.study.definition import Limits, StudyFolder, open_study
from cfld.study.server import create_app
from support.study import answer, begin, hidden, image_addresses, question
from support.study_site import NO_LIMITS, QUESTIONS, MakeClient


@pytest.mark.parametrize(
    "path",
    [
        "/image/../study.json",
        "/image/..%2Fkeys.json",
        "/image/%2e%2e/keys.json",
        "/image//etc/passwd",
        "/static/../server.py",
        "/static/..%2f..%2fserver.py",
        "/static/%2e%2e/part_one.html",
        "/static//etc/passwd",
        "/study.json",
        "/keys.json",
        "/answers.sqlite",
        "/images/",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_other_path_is_served(client: TestClient, path: str) -> None:
    begin(client)
    response = client.get(path)
    assert response.status_code == 404
    assert not re.search("signing|root:|import", response.text)


def test_too_large_requests_are_rejected(client: TestClient) -> None:
    assert client.post("/answer", content=b"x" * 5000).status_code == 413
    assert client.post("/answer", content=iter([b"x"] * 10)).status_code == 411
    assert client.put("/answer", content=b"x" * 5000).status_code == 413


def test_too_many_requests_are_rejected(make_client: MakeClient) -> None:
    client = make_client(Limits(requests=20, starts=100))
    codes = [client.get("/").status_code for _ in range(25)]
    assert codes == [200] * 20 + [429] * 5
    refused = client.get("/")
    assert int(refused.headers["retry-after"]) >= 1
    assert "content-security-policy" in refused.headers


@pytest.mark.parametrize("path", ["/", "/study", "/results", "/nowhere", "/static/study.css", "/image/x"])
def test_security_headers_are_everywhere(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("public, max-age=3600" if "static" in path else "no-store")
    assert "server" not in headers


def test_a_failure_reveals_nothing(opened: StudyFolder, database: Database) -> None:
    client = TestClient(create_app(opened, database, NO_LIMITS), raise_server_exceptions=False, follow_redirects=False)
    begin(client)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE cfld_answers")
    response = answer(client)
    assert response.status_code == 503
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search("cfld_answers|sqlite|Traceback", response.text)
    assert hidden(question(client), "position") == "0", "nothing was counted"


def test_pages_use_no_other_host_and_no_inline_scripts_or_styles(client: TestClient) -> None:
    begin(client)
    pages = [client.get(path).text for path in ("/results", "/nowhere")]
    for _ in range(QUESTIONS + 1):
        pages.append(question(client))
        answer(client)
    for page in pages:
        assert not re.search(r"https?://|<style|style=|onclick|javascript:", page)
        assert re.findall(r"<script(?! src=\"/static/\w+\.js\" defer></script>)", page) == []


def test_damaged_images_are_named(study_folder: Path, tmp_path: Path, database: Database) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study_folder, copy)
    opened = open_study(copy)
    path = opened.image(opened.study.pairs[0].truth_picture)
    whole = path.read_bytes()
    larger = io.BytesIO()
    Image.new("RGB", (30, 40)).save(larger, "png")
    for content in (b"", b"no image", whole[:60], whole[:60] + b"\xff" + whole[61:], larger.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name):
            create_app(opened, database, NO_LIMITS)


def test_an_image_that_is_gone_is_no_failure_of_the_server(
    study_folder: Path, tmp_path: Path, database: Database
) -> None:
    shutil.copytree(study_folder, tmp_path / "copy")
    client = TestClient(create_app(open_study(tmp_path / "copy"), database, NO_LIMITS), follow_redirects=False)
    begin(client)
    (address,) = image_addresses(question(client))
    shutil.rmtree(tmp_path / "copy" / "pictures")
    assert client.get(address).status_code == 503
    assert answer(client).status_code == 303
