"""`cfld study` as people use it: the commands, a killed server, several servers, many participants."""

from __future__ import annotations

import itertools
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from cfld.cli import main
from cfld.study.database import Database
from cfld.study.definition import load_study
from cfld.study.plan import THIS_ONE, plan
from support.commands import process as cfld
from support.study import (
    METHODS,
    answer,
    begin,
    create_arguments,
    hidden,
    image_addresses,
    make_study,
    postgres,
    question,
    save_folders,
    serve,
    serving,
)

logger = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
PEOPLE = 12


@contextmanager
def visitors(address: str, count: int) -> Iterator[list[httpx2.Client]]:
    """HTTP clients with cookies of their own."""
    clients = [httpx2.Client(base_url=address, timeout=60) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def test_create_serve_answer_results(tmp_path: Path) -> None:
    save_folders(tmp_path)
    study = tmp_path / "study"
    options = ["--images", "2", "--comparisons", "2", "--checks", "1", "--seed", "3", "--out", str(study)]
    made = cfld(*create_arguments(tmp_path), *options)
    assert made.returncode == 0, made.stderr
    assert "6 pairs, 3 methods; password" in made.stdout
    with serving(study / "study.json") as address, visitors(address, 3) as clients:
        for client in clients:
            begin(client)
        for number, client in enumerate(clients, start=1):
            for trial in plan(load_study(study), number)[: 3 if number == 3 else None]:
                for image in image_addresses(question(client)):
                    assert client.get(image).headers["content-type"] == "image/png"
                wanted = trial.expected or ("real" if trial.part == 1 else "ours")
                assert answer(client, trial.picks.index(wanted) + 1).status_code == 303
        assert "Thank you" in question(clients[0])
    printed = cfld("study", "results", "--study", str(study), "--answers", str(tmp_path / "answers.csv"))
    assert "3 participants started, 2 finished, 0 failed the attention checks; 2 included" in printed.stdout
    assert "with 12 answers" in printed.stdout
    assert "ours and theirs: 4 against 0, p = 0.125" in printed.stdout
    figures = json.loads(cfld("study", "results", "--study", str(study), "--json", "--include-unfinished").stdout)
    assert (figures["counted"], figures["methods"][0]["jab"]["count"]) == (3, 4)
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 1 + 2 * 8 + 3


def test_bad_input_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study(tmp_path)
    with serving(study) as address:
        port = address.rpartition(":")[2]
        cases = {
            ("serve", "--study", str(tmp_path / "nowhere")): "no such study",
            ("serve", "--study", str(study), "--port", port): "cannot listen there",
            ("serve", "--study", str(study), "--port", "70000"): "port must be between 0 and 65,535",
            ("serve", "--study", str(study), "--host", "203.0.113.1", "--port", "0"): "cannot listen there",
            ("serve", "--study", str(study), "--requests", "0"): "requests must be at least 1, got 0",
            ("serve", "--study", str(study), "--database", "nonsense"): "expected sqlite:///FILE",
            ("results", "--study", str(make_study(tmp_path / "unanswered"))): "no answers yet",
            (
                "results",
                "--study",
                str(tmp_path / "unanswered" / "study"),
                "--database",
                f"sqlite:///{study}/answers.sqlite",
            ): ("holds answers to another study"),
        }
        for arguments, message in cases.items():
            with pytest.raises(SystemExit) as stopped:
                main(["study", *arguments])
            assert stopped.value.code == 2
            told = capsys.readouterr().err
            assert message in told
            assert told.count("\n") == 1


@pytest.mark.parametrize("package", ["fastapi", "sqlalchemy", "jinja2", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(package: str, tmp_path: Path) -> None:
    study = make_study(tmp_path)
    code = f"import sys; sys.modules['{package}'] = None; from cfld.cli import main; main(sys.argv[1:])"
    run = [sys.executable, "-c", code, "study", "serve", "--study", str(study), "--port", "0"]
    told = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert told.returncode == 2
    assert told.stderr == f"cfld: this command needs the package {package}: pip install 'cfld[study]'\n"


def test_the_server_holds_no_torch(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    server = serve(study)
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    server.stop()
    assert "libtorch" not in maps


class Participant:
    """Answers at random without a pause, as many times as it takes; notes what the server acknowledged."""

    def __init__(self, index: int, study: Path) -> None:
        self.random, self.study = random.Random(index), load_study(study)
        self.acknowledged: list[int] = []
        self.cookies: dict[str, str] = {}
        self.token = ""
        self.done = False
        self.resumed_at: list[int] = []

    def visit(self, address: str) -> None:
        """Goes on until the last answer, or until the server is gone."""
        with httpx2.Client(base_url=address, cookies=self.cookies, timeout=30) as client:
            try:
                if not self.cookies:
                    self.token = hidden(client.get("/").text, "token")
                    self.cookies = dict(client.cookies)
                client.post("/start", data={"token": self.token})
                self.resumed_at.append(int(hidden(question(client), "position") or -1))
                while position := hidden(page := question(client), "position"):
                    for image in image_addresses(page):
                        client.get(image)
                    choice = self.random.randint(1, page.count('name="choice"'))
                    assert answer(client, choice, page).status_code == 303
                    self._note(int(position), choice)
                self.done = True
            except httpx2.TransportError:
                return

    def _note(self, position: int, choice: int) -> None:
        """A killed server may have kept an answer that it could not acknowledge: then positions jump by one."""
        while len(self.acknowledged) < position:
            self.acknowledged.append(0)
        assert len(self.acknowledged) == position
        self.acknowledged.append(choice)


def kept(study: Path, url: str) -> dict[int, list[int]]:
    """Participant's number -> choices in order of position, as the database has them; 0 for a check of part two."""
    loaded = load_study(study)
    database = Database(url, loaded.fingerprint())
    found: dict[int, list[int]] = {}
    for row in database.answers():
        mine = found.setdefault(row["number"], [])
        assert row["position"] == len(mine)
        picks = plan(loaded, row["number"])[row["position"]].picks
        mine.append(picks.index(row["pick"]) + 1 if THIS_ONE not in picks else 0)
    database.close()
    return found


def matches(acknowledged: list[int], there: list[int]) -> bool:
    """Whether every acknowledged answer is there as given; unknown ones (0) may be any."""
    return len(there) >= len(acknowledged) and all(a == t for a, t in zip(acknowledged, there, strict=False) if a and t)


@pytest.mark.parametrize(
    ("kills", "questions"),
    [(4, {"images": 6, "comparisons": 6}), pytest.param(20, {"images": 24, "comparisons": 24}, marks=pytest.mark.slow)],
)
def test_sigkill_loses_no_acknowledged_answer(tmp_path: Path, kills: int, questions: dict[str, int]) -> None:
    """Killed in the middle again and again; participants come back with their cookies and go on where they were."""
    study = make_study(tmp_path, checks=1, **questions)
    database = f"sqlite:///{tmp_path / 'answers.sqlite'}"
    people = [Participant(i, study) for i in range(PEOPLE)]
    asked, killed = len(plan(load_study(study), 1)), 0
    while not all(person.done for person in people):
        server = serve(study, "--database", database)
        waiting = [person for person in people if not person.done]
        with ThreadPoolExecutor(PEOPLE) as pool:
            visits = [pool.submit(person.visit, server.address) for person in waiting]
            if killed < kills:
                wanted = sum(len(person.acknowledged) for person in people) + 30
                while sum(len(person.acknowledged) for person in people) < wanted and not all(v.done() for v in visits):
                    time.sleep(0.002)
                server.kill()
                killed += 1
            for visit in visits:
                visit.result()
        server.stop()
        there = kept(study, database)
        lost = [p for p in people if not any(matches(p.acknowledged, choices) for choices in [*there.values(), []])]
        acknowledged = sum(len(person.acknowledged) for person in people)
        logger.info("%d kills: %d answers acknowledged, %d participants lost any", killed, acknowledged, len(lost))
        assert lost == []
        assert sum(map(len, there.values())) >= acknowledged
    assert killed >= kills - 1
    assert sum(len(person.resumed_at) for person in people) >= 2 * PEOPLE, "too few were interrupted"
    assert sum(position > 0 for person in people for position in person.resumed_at) >= PEOPLE
    there = kept(study, database)
    assert {number: len(choices) for number, choices in there.items()} == dict.fromkeys(range(1, PEOPLE + 1), asked)
    left = list(there.values())
    for person in people:
        match = next(choices for choices in left if matches(person.acknowledged, choices))
        left.remove(match)
    assert left == []


def test_two_servers_share_an_sqlite_file(tmp_path: Path) -> None:
    """Started at once; participants change between them at every question."""
    study = make_study(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        servers = list(pool.map(lambda _: serve(study), range(2)))

    def take_part(_: int) -> int:
        with visitors(servers[0].address, 1) as (client,):
            begin(client)
            for turn in itertools.count(1):
                client.base_url = servers[turn % 2].address
                page = question(client)
                if not hidden(page, "position"):
                    return turn - 1
                assert all(client.get(image).status_code == 200 for image in image_addresses(page))
                assert answer(client, 1, page).status_code == 303
        raise AssertionError

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(take_part, range(20))) == [8] * 20
    for server in servers:
        server.stop()
    assert [len(choices) for choices in kept(study, f"sqlite:///{study}/answers.sqlite").values()] == [8] * 20


def test_several_servers_share_a_postgresql(tmp_path: Path) -> None:
    """Two servers started at once; participants change between them at every question."""
    study = make_study(tmp_path)
    with postgres() as database:
        with ThreadPoolExecutor(2) as pool:
            servers = list(pool.map(lambda _: serve(study, "--database", database), range(2)))
        people = [Participant(i, study) for i in range(6)]

        def take_part(person: Participant) -> None:
            with visitors("http://127.0.0.1", 1) as (client,):
                client.base_url = servers[0].address
                begin(client)
                turn = 0
                while position := hidden(page := question(client), "position"):
                    turn += 1
                    client.base_url = servers[turn % 2].address
                    assert answer(client, 1, page).status_code == 303
                    assert answer(client, 2, page).status_code == 303, "again, and otherwise: counts for nothing"
                    person.acknowledged.append(1)
                    assert int(position) + 1 == len(person.acknowledged)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(take_part, people))
        for server in servers:
            server.stop()
        there = kept(study, database)
        assert sorted(there) == [1, 2, 3, 4, 5, 6]
        assert all(set(choices) <= {0, 1} and len(choices) == 8 for choices in there.values())
        printed = cfld("study", "results", "--study", str(study), "--database", database)
        assert "6 participants started, 6 finished" in printed.stdout
        assert all(method in printed.stdout for method in METHODS)


def test_the_load_test(tmp_path: Path) -> None:
    """The benchmark, small: it finds every acknowledged answer in the database, and no response refused."""
    script = [sys.executable, str(ROOT / "benchmarks/bench_study.py"), "--out", str(tmp_path / "study.json")]
    options = ["--participants", "20", "--images", "1", "--comparisons", "2"]
    run = subprocess.run([*script, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads((tmp_path / "study.json").read_text())
    assert (found["acknowledged"], found["lost_or_changed"], found["refused"]) == (20 * 4, 0, 0)
    assert found["milliseconds"]["answer"]["p99"] > 0
