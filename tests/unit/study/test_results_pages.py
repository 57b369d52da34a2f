"""The researcher's pages by HTTP, in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.testclient import TestClient

from cfld.study.database import Database
from cfld.study.definition import Study, StudyFolder
from cfld.study.plan import plan
from cfld.study.server import create_app
from support.study import METHODS, answer, begin
from support.study_site import NO_LIMITS


def sign_in(client: TestClient, password: str) -> Any:
    return client.post("/results", data={"password": password})


def test_results_are_behind_the_password(client: TestClient, opened: StudyFolder) -> None:
    begin(client)
    answer(client)
    assert "password" in client.get("/results").text
    assert client.get("/results/figures").status_code == 403
    assert client.get("/results.json").status_code == 403
    for wrong in ("wrong", "", "é"):
        response = sign_in(client, wrong)
        assert response.status_code in (403, 422)
        assert "set-cookie" not in response.headers
    assert not any(method in client.get("/results").text for method in METHODS)
    response = sign_in(client, opened.keys.results)
    assert response.status_code == 303
    assert {"HttpOnly", "Path=/results", "SameSite=strict"} <= set(response.headers["set-cookie"].split("; "))
    page = client.get("/results?unfinished=true").text
    assert all(method in page for method in METHODS)
    assert "<dd>1</dd>" in client.get("/results/figures").text
    assert sign_in(client, opened.keys.results).status_code == 303
    assert (
        client.post("/results", data={"password": opened.keys.results}, headers={"origin": "http://x"}).status_code
        == 403
    )


def test_results_as_json(client: TestClient, opened: StudyFolder) -> None:
    begin(client)
    answer(client)
    headers = {"authorization": f"Bearer {opened.keys.results}"}
    found = client.get("/results.json?unfinished=true", headers=headers).json()
    assert (found["started"], found["finished"], found["counted"]) == (1, 0, 1)
    assert client.get("/results.json", headers={"authorization": "Bearer x"}).status_code == 403


def test_passwords_cannot_be_tried_quickly(client: TestClient, opened: StudyFolder) -> None:
    codes = [sign_in(client, f"guess {i}").status_code for i in range(40)]
    assert codes.count(403) == 30
    assert codes[-1] == 429
    assert sign_in(client, opened.keys.results).status_code == 429


def test_metrics_of_a_finished_participant(client: TestClient, opened: StudyFolder, study: Study) -> None:
    begin(client)
    for trial in plan(study, 1):
        answer(client, trial.picks.index(trial.expected) + 1 if trial.expected else 1)
    sign_in(client, opened.keys.results)
    page = client.get("/results").text
    assert page.count("100.0 %") == 1, "G2R: both generated images were called real"
    assert "chi-square(2)" in page


def test_method_names_are_escaped(opened: StudyFolder, database: Database) -> None:
    """A name is text, not markup."""
    name = "<script>alert(1)</script>"
    pairs = tuple(replace(p, results={**p.results, name: p.results["ours"]}) for p in opened.study.pairs)
    study = replace(opened.study, methods=(*METHODS, name), pairs=pairs, title=name)
    client = TestClient(create_app(replace(opened, study=study), database, NO_LIMITS), follow_redirects=False)
    sign_in(client, opened.keys.results)
    assert "<script>alert" not in client.get("/results").text + client.get("/").text
    assert "&lt;script&gt;alert" in client.get("/results").text
