"""The pages by HTTP, in this process: a whole study, what is refused, and what nobody may see."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cfld.study import site as site_module
from cfld.study.answers import Answers
from cfld.study.definition import OpenStudy, Study, open_study
from cfld.study.middleware import Limits
from cfld.study.plan import plan
from cfld.study.server import create_app
from support.study import METHODS, answer, begin, hidden, image_addresses, question

OPEN = Limits(requests=100_000, starts=100_000)
QUESTIONS = 8


@pytest.fixture(scope="session")
def opened(study_folder: Path) -> OpenStudy:
    return open_study(study_folder)


MakeClient = Callable[..., TestClient]


@pytest.fixture
def make_client(opened: OpenStudy, answers: Answers) -> MakeClient:
    """Makes visitors of one site; a change of protocol or limits makes another site on the same database."""
    sites: dict[str, Any] = {}

    def make(limits: Limits = OPEN, base: str = "http://testserver", **protocol: Any) -> TestClient:
        key = repr((limits, protocol))
        if key not in sites:
            study = replace(opened.study, protocol=replace(opened.study.protocol, **protocol))
            sites[key] = create_app(replace(opened, study=study), answers, limits)
        return TestClient(sites[key], base_url=base, follow_redirects=False)

    return make


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()


def rows(answers: Answers) -> list[dict[str, Any]]:
    return list(answers.rows())


def test_a_whole_study(client: TestClient, answers: Answers, study: Study) -> None:
    begin(client)
    for number in range(1, QUESTIONS + 1):
        assert f"{number} of {QUESTIONS}" in question(client)
        response = answer(client, 2)
        assert (response.status_code, response.headers["location"]) == (303, "/study")
    assert "Thank you" in question(client)
    assert [row["pick"] for row in rows(answers)] == [trial.picks[1] for trial in plan(study, 1)]
    assert client.get("/").headers["location"] == "/study"


def test_part_two_is_announced_once(client: TestClient) -> None:
    begin(client)
    for _ in range(5):
        answer(client)
    assert "The first part is done" in client.get("/study").text
    answer(client)
    assert hidden(client.get("/study").text, "position") == "6"


def test_a_participant_goes_on_on_another_server(client: TestClient, opened: OpenStudy, answers: Answers) -> None:
    begin(client)
    for _ in range(3):
        answer(client)
    again = TestClient(create_app(opened, answers, OPEN), cookies=client.cookies)
    assert hidden(question(again), "position") == "3"


def test_a_double_click_counts_once(client: TestClient, answers: Answers) -> None:
    begin(client)
    page = question(client)
    first, second = answer(client, 1, page), answer(client, 2, page)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert [(row["position"], row["pick"]) for row in rows(answers)] == [(0, "real")]


def test_a_double_start_counts_once(client: TestClient, answers: Answers) -> None:
    token = hidden(client.get("/").text, "token")
    for _ in range(3):
        assert client.post("/start", data={"token": token}).status_code == 303
    assert [tally.number for tally in answers.tallies()] == [1]


def test_nothing_on_a_page_tells_what_a_image_is(make_client: MakeClient, study: Study) -> None:
    """Not its names, which are different for everybody and every question, and not what comes with it."""
    secret = [*METHODS, *study.image_ids(), *(name for pair in study.pairs for name in (pair.source, pair.target))]
    seen: set[str] = set()
    headers = set()
    for _ in range(3):
        client = make_client()
        begin(client)
        for _ in range(QUESTIONS):
            page = question(client)
            secret = [
                *METHODS,
                *study.image_ids(),
                *(p.source for p in study.pairs),
                *(p.target for p in study.pairs),
            ]
            assert not [word for word in secret if word in page]
            addresses = image_addresses(page)
            assert not seen & set(addresses)
            seen |= set(addresses)
            for address in addresses:
                response = client.get(address)
                headers.add((str(sorted(response.headers.items())), len(response.content)))
            answer(client, 1, page)
    assert len(headers) == 1, "the same headers and the same length for every image"


def test_pages_of_one_part_differ_in_the_image_only(client: TestClient) -> None:
    begin(client)
    pages = set()
    for position in range(5):
        page = question(client)
        numbers = (f"{position + 1} of", f'"position" value="{position}"', f'max="{QUESTIONS}" value="{position}"')
        for changing in (image_addresses(page)[0], *numbers):
            page = page.replace(changing, "")
        pages.add(page)
        answer(client)
    assert len(pages) == 1


def test_images_are_the_questions_own(client: TestClient, study: Study, opened: OpenStudy) -> None:
    begin(client)
    for trial in plan(study, 1):
        shown = [client.get(address).content for address in image_addresses(question(client))]
        ids = [image for image in (*trial.context, *trial.images) if image]
        assert shown == [opened.image(image).read_bytes() for image in ids]
        answer(client)


def test_images_are_shown_to_their_participant_and_only_now(make_client: MakeClient) -> None:
    client, other, visitor = make_client(), make_client(), make_client()
    begin(client)
    begin(other)
    (address,) = image_addresses(question(client))
    assert client.get(address).status_code == 200
    assert other.get(address).status_code == visitor.get(address).status_code == 404
    answer(client)
    assert client.get(address).status_code == 404


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
def test_no_path_leads_anywhere_else(client: TestClient, path: str) -> None:
    begin(client)
    response = client.get(path)
    assert response.status_code == 404
    assert not re.search("signing|root:|import", response.text)


def test_image_files_are_not_served_by_their_own_names(client: TestClient, study: Study) -> None:
    begin(client)
    for image in study.image_ids():
        assert client.get(f"/image/{image}").status_code == 404
        assert client.get(f"/images/{image}.png").status_code == 404


def test_forged_requests_are_refused(client: TestClient, make_client: MakeClient, answers: Answers) -> None:
    other = make_client()
    begin(client)
    begin(other)
    page = question(client)
    form = {"token": hidden(page, "token"), "position": "0", "choice": "1"}
    strangers = hidden(question(other), "token")
    assert client.post("/answer", data=form | {"token": strangers}).status_code == 403
    assert client.post("/answer", data=form | {"token": "0" * 32}).status_code == 403
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert client.post("/answer", data=form, headers=headers).status_code == 403
    assert make_client().post("/answer", data=form).status_code == 403
    assert make_client().post("/start", data={"token": form["token"]}).status_code == 403
    assert rows(answers) == []
    assert client.post("/answer", data=form, headers={"origin": "http://testserver"}).status_code == 303


def test_cookies_that_are_not_ours(client: TestClient, make_client: MakeClient) -> None:
    begin(client)
    (name, value) = next(iter(client.cookies.items()))
    forged = make_client()
    for cookie in (value[:-1] + ("0" if value[-1] != "0" else "1"), "a" * 32, "", "." * 40, "é"):
        response = forged.get("/study", headers={"cookie": f"{name}={cookie}".encode()})
        assert response.headers["location"] == "/"


@pytest.mark.parametrize(
    "form",
    [
        {"position": "0"},
        {"position": "0", "choice": "0"},
        {"position": "0", "choice": "3"},
        {"position": "0", "choice": "10"},
        {"position": "0", "choice": "real"},
        {"position": "-1", "choice": "1"},
        {"position": "0'; drop table cfld_answers; --", "choice": "1"},
        {"position": "0", "choice": "1", "token": "x" * 1000},
    ],
)
def test_answers_that_are_none(client: TestClient, answers: Answers, form: dict[str, str]) -> None:
    begin(client)
    response = client.post("/answer", data={"token": hidden(question(client), "token")} | form)
    assert response.status_code == 422
    assert "drop" not in response.text
    assert rows(answers) == []


def test_an_answer_to_a_later_question_changes_nothing(client: TestClient, answers: Answers) -> None:
    begin(client)
    token = hidden(question(client), "token")
    for position in (1, 7, 8, 100_000):
        response = client.post("/answer", data={"token": token, "position": str(position), "choice": "1"})
        assert (response.status_code, response.headers["location"]) == (303, "/study")
    assert rows(answers) == []


def test_after_the_end_nothing_is_taken(client: TestClient, answers: Answers) -> None:
    begin(client)
    token = hidden(question(client), "token")
    for _ in range(QUESTIONS):
        answer(client)
    response = client.post("/answer", data={"token": token, "position": str(QUESTIONS), "choice": "1"})
    assert response.status_code == 422
    assert client.get("/image/" + "0" * 32).status_code == 404
    assert len(rows(answers)) == QUESTIONS


def test_requests_that_are_too_large(client: TestClient) -> None:
    assert client.post("/answer", content=b"x" * 5000).status_code == 413
    assert client.post("/answer", content=iter([b"x"] * 10)).status_code == 411
    assert client.put("/answer", content=b"x" * 5000).status_code == 413


def test_requests_that_are_too_many(make_client: MakeClient) -> None:
    client = make_client(Limits(requests=20, starts=100))
    codes = [client.get("/").status_code for _ in range(25)]
    assert codes == [200] * 20 + [429] * 5
    refused = client.get("/")
    assert int(refused.headers["retry-after"]) >= 1
    assert "content-security-policy" in refused.headers


def test_new_participants_that_are_too_many(make_client: MakeClient, answers: Answers) -> None:
    limits = Limits(requests=10_000, starts=3)
    clients = [make_client(limits) for _ in range(5)]
    codes = [c.post("/start", data={"token": hidden(c.get("/").text, "token")}).status_code for c in clients]
    assert codes == [303, 303, 303, 429, 429]
    assert len(answers.tallies()) == 3
    assert answer(clients[0]).status_code == 303, "who has begun goes on"


def test_a_full_study(make_client: MakeClient) -> None:
    limits = Limits(requests=10_000, participants=1)
    first, second = make_client(limits), make_client(limits)
    begin(first)
    response = second.post("/start", data={"token": hidden(second.get("/").text, "token")})
    assert (response.status_code, "The study is full" in response.text) == (503, True)


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


def test_a_failure_tells_nothing(opened: OpenStudy, answers: Answers) -> None:
    client = TestClient(create_app(opened, answers, OPEN), raise_server_exceptions=False, follow_redirects=False)
    begin(client)
    with answers.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE cfld_answers")
    response = answer(client)
    assert response.status_code == 500
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search("cfld_answers|sqlite|Traceback", response.text)
    assert hidden(question(client), "position") == "0", "nothing was counted"


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(make_client: MakeClient) -> None:
    plain = make_client().get("/").headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in plain.split(";")}
    assert "secure" not in plain
    response = make_client(base="https://testserver").get("/")
    secure = response.headers["set-cookie"]
    assert secure.startswith("__Host-")
    assert "Secure" in secure
    assert "max-age" in response.headers["strict-transport-security"]


def test_no_page_asks_another_host_or_holds_scripts_or_styles_of_its_own(client: TestClient) -> None:
    begin(client)
    pages = [client.get(path).text for path in ("/results", "/nowhere")]
    for _ in range(QUESTIONS + 1):
        pages.append(question(client))
        answer(client)
    for page in pages:
        assert not re.search(r"https?://|<style|style=|onclick|javascript:", page)
        assert re.findall(r"<script(?! src=\"/static/\w+\.js\" defer></script>)", page) == []


def sign_in(client: TestClient, password: str) -> Any:
    return client.post("/results", data={"password": password})


def test_results_are_behind_the_password(client: TestClient, opened: OpenStudy) -> None:
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


def test_results_for_programs(client: TestClient, opened: OpenStudy) -> None:
    begin(client)
    answer(client)
    headers = {"authorization": f"Bearer {opened.keys.results}"}
    found = client.get("/results.json?unfinished=true", headers=headers).json()
    assert (found["started"], found["finished"], found["counted"]) == (1, 0, 1)
    assert client.get("/results.json", headers={"authorization": "Bearer x"}).status_code == 403


def test_passwords_cannot_be_tried_quickly(client: TestClient, opened: OpenStudy) -> None:
    codes = [sign_in(client, f"guess {i}").status_code for i in range(40)]
    assert codes.count(403) == 30
    assert codes[-1] == 429
    assert sign_in(client, opened.keys.results).status_code == 429


def test_figures_of_a_finished_participant(client: TestClient, opened: OpenStudy, study: Study) -> None:
    begin(client)
    for trial in plan(study, 1):
        answer(client, trial.picks.index(trial.expected) + 1 if trial.expected else 1)
    sign_in(client, opened.keys.results)
    page = client.get("/results").text
    assert page.count("100.0 %") == 1, "G2R: both generated images were called real"
    assert "chi-square(2)" in page


def test_methods_of_any_name_do_no_harm(opened: OpenStudy, answers: Answers) -> None:
    """A name is text, not markup."""
    name = "<script>alert(1)</script>"
    pairs = tuple(replace(p, results={**p.results, name: p.results["ours"]}) for p in opened.study.pairs)
    study = replace(opened.study, methods=(*METHODS, name), pairs=pairs, title=name)
    client = TestClient(create_app(replace(opened, study=study), answers, OPEN), follow_redirects=False)
    sign_in(client, opened.keys.results)
    assert "<script>alert" not in client.get("/results").text + client.get("/").text
    assert "&lt;script&gt;alert" in client.get("/results").text


def test_a_image_is_gone_after_its_time(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the page again does not start the clock again, and the file is not handed out any more."""
    monkeypatch.setattr(site_module, "GRACE", 0.05)
    client = make_client(seconds=0.3)
    begin(client)
    page = question(client)
    (address,) = image_addresses(page)
    assert 'data-seconds="0.3"' in page
    assert "<img src" not in page
    time.sleep(0.1)
    assert client.get(address).status_code == 200, "the clock starts when the image is asked for"
    found = re.search(r'data-seconds="([\d.]+)"', question(client))
    assert found
    assert float(found[1]) < 0.3
    time.sleep(0.4)
    assert client.get(address).status_code == 404
    page = question(client)
    assert image_addresses(page) == []
    assert "answer from memory" in page
    assert answer(client, 1, page).status_code == 303
    assert 'data-seconds="0.3"' in question(client)


def test_parts_are_limited_by_themselves(make_client: MakeClient) -> None:
    client = make_client(comparison_seconds=5)
    begin(client)
    assert "data-seconds" not in question(client)
    for _ in range(5):
        answer(client)
    page = question(client)
    assert 'data-seconds="5.0"' in page
    for address in image_addresses(page):
        assert client.get(address).status_code == 200


def test_the_introduction_is_shown_as_text(opened: OpenStudy, answers: Answers) -> None:
    study = replace(opened.study, introduction="First & foremost.\n\nWrite to <me@example.org>.")
    page = TestClient(create_app(replace(opened, study=study), answers, OPEN)).get("/").text
    assert "<p>First &amp; foremost.</p>" in page
    assert "&lt;me@example.org&gt;" in page


def test_nothing_that_leads_to_a_person_is_kept(client: TestClient, answers: Answers) -> None:
    begin(client)
    answer(client)
    with answers.engine.connect() as connection:
        tables = [
            connection.exec_driver_sql(f"SELECT * FROM cfld_{name}").all() for name in ("participants", "answers")
        ]
    kept = repr(tables)
    assert "testclient" not in kept
    assert next(iter(client.cookies.values())) not in kept
