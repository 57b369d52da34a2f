"""The participant's pages by HTTP, in this process."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from cfld.study import database as database_module
from cfld.study import participant_pages
from cfld.study.database import Database
from cfld.study.definition import Limits, Study, StudyFolder
from cfld.study.plan import plan
from cfld.study.server import create_app
from support.clock import Clock
from support.study import METHODS, answer, begin, hidden, image_addresses, question
from support.study_site import NO_LIMITS, QUESTIONS, MakeClient


def rows(database: Database) -> list[dict[str, Any]]:
    return list(database.answers())


def test_a_whole_study(client: TestClient, database: Database, study: Study) -> None:
    begin(client)
    for number in range(1, QUESTIONS + 1):
        assert f"{number} of {QUESTIONS}" in question(client)
        response = answer(client, 2)
        assert (response.status_code, response.headers["location"]) == (303, "/study")
    assert "Thank you" in question(client)
    assert [row["pick"] for row in rows(database)] == [trial.picks[1] for trial in plan(study, 1)]
    assert client.get("/").headers["location"] == "/study"


def test_part_two_is_announced_once(client: TestClient) -> None:
    begin(client)
    for _ in range(5):
        answer(client)
    assert "The first part is done" in client.get("/study").text
    answer(client)
    assert hidden(client.get("/study").text, "position") == "6"


def test_a_participant_continues_on_another_server(client: TestClient, opened: StudyFolder, database: Database) -> None:
    begin(client)
    for _ in range(3):
        answer(client)
    again = TestClient(create_app(opened, database, NO_LIMITS), cookies=client.cookies)
    assert hidden(question(again), "position") == "3"


def test_a_double_click_counts_once(client: TestClient, database: Database) -> None:
    begin(client)
    page = question(client)
    first, second = answer(client, 1, page), answer(client, 2, page)
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert [(row["position"], row["pick"]) for row in rows(database)] == [(0, "real")]


def test_a_double_start_counts_once(client: TestClient, database: Database) -> None:
    token = hidden(client.get("/").text, "token")
    for _ in range(3):
        assert client.post("/start", data={"token": token}).status_code == 303
    assert [tally.number for tally in database.tallies()] == [1]


def test_pages_do_not_reveal_what_an_image_is(make_client: MakeClient, study: Study) -> None:
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


def test_images_belong_to_the_question(client: TestClient, study: Study, opened: StudyFolder) -> None:
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


def test_image_files_are_not_served_by_their_own_names(client: TestClient, study: Study) -> None:
    begin(client)
    for image in study.image_ids():
        assert client.get(f"/image/{image}").status_code == 404
        assert client.get(f"/images/{image}.png").status_code == 404


def test_forged_requests_are_rejected(client: TestClient, make_client: MakeClient, database: Database) -> None:
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
    assert rows(database) == []
    assert client.post("/answer", data=form, headers={"origin": "http://testserver"}).status_code == 303


def test_forged_cookies_are_ignored(client: TestClient, make_client: MakeClient) -> None:
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
def test_invalid_answers_are_rejected(client: TestClient, database: Database, form: dict[str, str]) -> None:
    begin(client)
    response = client.post("/answer", data={"token": hidden(question(client), "token")} | form)
    assert response.status_code == 422
    assert "drop" not in response.text
    assert rows(database) == []


def test_an_answer_to_a_later_question_changes_nothing(client: TestClient, database: Database) -> None:
    begin(client)
    token = hidden(question(client), "token")
    for position in (1, 7, 8, 100_000):
        response = client.post("/answer", data={"token": token, "position": str(position), "choice": "1"})
        assert (response.status_code, response.headers["location"]) == (303, "/study")
    assert rows(database) == []


def test_answers_after_the_end_are_rejected(client: TestClient, database: Database) -> None:
    begin(client)
    token = hidden(question(client), "token")
    for _ in range(QUESTIONS):
        answer(client)
    response = client.post("/answer", data={"token": token, "position": str(QUESTIONS), "choice": "1"})
    assert response.status_code == 422
    assert client.get("/image/" + "0" * 32).status_code == 404
    assert len(rows(database)) == QUESTIONS


def test_too_many_new_participants_are_rejected(make_client: MakeClient, database: Database) -> None:
    limits = Limits(requests=10_000, starts=3)
    clients = [make_client(limits) for _ in range(5)]
    codes = [c.post("/start", data={"token": hidden(c.get("/").text, "token")}).status_code for c in clients]
    assert codes == [303, 303, 303, 429, 429]
    assert len(database.tallies()) == 3
    assert answer(clients[0]).status_code == 303, "who has begun goes on"


def test_a_full_study(make_client: MakeClient) -> None:
    limits = Limits(requests=10_000, participants=1)
    first, second = make_client(limits), make_client(limits)
    begin(first)
    response = second.post("/start", data={"token": hidden(second.get("/").text, "token")})
    assert (response.status_code, "The study is full" in response.text) == (503, True)


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(make_client: MakeClient) -> None:
    plain = make_client().get("/").headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in plain.split(";")}
    assert "secure" not in plain
    response = make_client(base="https://testserver").get("/")
    secure = response.headers["set-cookie"]
    assert secure.startswith("__Host-")
    assert "Secure" in secure
    assert "max-age" in response.headers["strict-transport-security"]


def test_an_image_is_gone_after_its_time(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the page again does not start the clock again, and the file is not handed out any more."""
    clock = Clock(1000.0)
    monkeypatch.setattr(database_module, "steady_time", clock)
    client = make_client(seconds=3)
    begin(client)
    page = question(client)
    (address,) = image_addresses(page)
    assert 'data-seconds="3.0"' in page
    assert "<img src" not in page
    clock.time += 1
    assert client.get(address).status_code == 200, "the clock starts when the image is asked for"
    clock.time += 1
    assert 'data-seconds="2.0"' in question(client)
    clock.time += 2 + participant_pages.GRACE
    assert client.get(address).status_code == 200, "a slow connection"
    clock.time += 0.1
    assert client.get(address).status_code == 404
    page = question(client)
    assert image_addresses(page) == []
    assert "answer from memory" in page
    assert answer(client, 1, page).status_code == 303
    assert 'data-seconds="3.0"' in question(client)


@pytest.mark.parametrize("step", [-1e6, 1e6])
def test_a_changed_system_clock_does_not_change_the_time_left(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    client = make_client(seconds=60)
    begin(client)
    (address,) = image_addresses(question(client))
    assert client.get(address).status_code == 200
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + step)
    found = re.search(r'data-seconds="([\d.]+)"', question(client))
    assert found
    assert 30 < float(found[1]) < 60
    assert client.get(address).status_code == 200


def test_parts_have_time_limits_of_their_own(make_client: MakeClient) -> None:
    client = make_client(comparison_seconds=5)
    begin(client)
    assert "data-seconds" not in question(client)
    for _ in range(5):
        answer(client)
    page = question(client)
    assert 'data-seconds="5.0"' in page
    for address in image_addresses(page):
        assert client.get(address).status_code == 200


def test_the_introduction_is_escaped(opened: StudyFolder, database: Database) -> None:
    study = replace(opened.study, introduction="First & foremost.\n\nWrite to <me@example.org>.")
    page = TestClient(create_app(replace(opened, study=study), database, NO_LIMITS)).get("/").text
    assert "<p>First &amp; foremost.</p>" in page
    assert "&lt;me@example.org&gt;" in page


def test_nothing_that_identifies_a_person_is_stored(client: TestClient, database: Database) -> None:
    begin(client)
    answer(client)
    with database.engine.connect() as connection:
        tables = [
            connection.exec_driver_sql(f"SELECT * FROM cfld_{name}").all() for name in ("participants", "answers")
        ]
    kept = repr(tables)
    assert "testclient" not in kept
    assert next(iter(client.cookies.values())) not in kept
