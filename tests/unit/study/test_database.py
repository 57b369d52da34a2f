"""Answers are kept: once, in order, on disk; on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from cfld.cli.paths import outputs
from cfld.cli.study import Results
from cfld.study.database import Database, DatabaseError, Participant
from cfld.study.definition import Study
from cfld.study.plan import plan
from support.study import METHODS, postgres


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


def empty(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, study: Study, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'answers.sqlite'}"
    else:
        url = request.getfixturevalue("postgres_url")
        empty(url)
    database = Database(url, study.fingerprint())
    yield database
    database.close()


def begin(database: Database, token: str, most: int = 1000) -> Participant | None:
    return database.find_or_add(token, lambda _: METHODS[0], most)


def test_numbers_go_up_and_a_token_has_one(database: Database) -> None:
    numbers = [begin(database, token) for token in ("a", "b", "a")]
    assert [p.number for p in numbers if p] == [1, 2, 1]
    assert database.find("c") is None


def test_starting_at_once_leaves_no_gap_and_counts_each_once(database: Database) -> None:
    tokens = [f"token {i % 40}" for i in range(80)]
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda token: begin(database, token), tokens))
    assert {p.number for p in begun if p} == set(range(1, 41))
    assert len({(token, p.number) for token, p in zip(tokens, begun, strict=True) if p}) == 40


def test_a_full_study_takes_nobody(database: Database) -> None:
    assert begin(database, "a", 1)
    assert begin(database, "b", 1) is None
    assert begin(database, "a", 1)


def test_repeated_answers_count_once_and_the_first_stands(database: Database, study: Study) -> None:
    participant = begin(database, "a")
    assert participant
    trial = plan(study, 1)[0]
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda i: database.record(participant, 0, trial, trial.picks[i % 2]), range(30)))
    assert sum(stored) == 1
    assert not database.record(participant, 0, trial, "late")
    (row,) = database.answers()
    assert (row["number"], row["position"], row["kind"], row["method"]) == (1, 0, trial.kind, METHODS[0])
    found = database.find("a")
    assert found
    assert found.answered == 1


def test_no_answer_to_a_later_question(database: Database, study: Study) -> None:
    participant = begin(database, "a")
    assert participant
    assert not database.record(participant, 3, plan(study, 1)[3], "real")
    assert list(database.answers()) == []


def test_answers_together_are_all_kept(database: Database, study: Study) -> None:
    people = [p for i in range(30) if (p := begin(database, str(i)))]
    for position in range(3):
        with ThreadPoolExecutor(8) as pool:
            record = pool.map(lambda p: database.record(p, position, plan(study, p.number)[position], "real"), people)  # noqa: B023
            assert all(record)
    assert [(row["number"], row["position"]) for row in database.answers()] == [
        (number, position) for number in range(1, 31) for position in range(3)
    ]
    assert sum(tally.count for tally in database.tallies()) == 90


def test_who_answered_nothing_is_tallied_too(database: Database) -> None:
    begin(database, "a")
    (tally,) = database.tallies()
    assert (tally.number, tally.kind, tally.count) == (1, None, 0)


def test_time_counts_from_the_first_look(database: Database) -> None:
    participant = begin(database, "a")
    assert participant
    assert participant.seconds_since_shown(0) is None
    database.record_shown(participant, 0)
    first = database.find("a")
    assert first
    assert first.seconds_since_shown(0) is not None
    assert first.seconds_since_shown(1) is None
    time.sleep(0.01)
    database.record_shown(participant, 0)
    assert database.find("a") == first, "a second look changes nothing"


def test_a_database_that_fails_says_so_and_goes_on(database: Database, study: Study) -> None:
    participant = begin(database, "a")
    assert participant
    broken = replace(plan(study, 1)[0], kind=None)  # type: ignore[arg-type]
    with pytest.raises(DatabaseError):
        database.record(participant, 0, broken, "real")
    assert database.record(participant, 0, plan(study, 1)[0], "real")
    assert len(list(database.answers())) == 1


def test_the_same_answers_after_opening_again(database: Database, study: Study) -> None:
    participant = begin(database, "a")
    assert participant
    assert database.record(participant, 0, plan(study, 1)[0], "real")
    url = database.engine.url
    again = Database(url, study.fingerprint())
    assert [row["pick"] for row in again.answers()] == ["real"]
    again.close()
    with pytest.raises(ValueError, match="holds answers to another study"):
        Database(url, "another")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_servers_make_the_tables_once(
    kind: str, request: pytest.FixtureRequest, study: Study, tmp_path: Path
) -> None:
    for turn in range(5):
        sqlite = f"sqlite:///{tmp_path / str(turn)}.sqlite"
        url = sqlite if kind == "sqlite" else request.getfixturevalue("postgres_url")
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: Database(url, study.fingerprint()), range(8)))  # noqa: B023
        for database in opened:
            database.close()


def test_two_servers_on_one_file_lose_nothing(open_database: Callable[..., Database], study: Study) -> None:
    servers = [open_database(), open_database()]
    people = [p for i in range(20) if (p := begin(servers[i % 2], str(i)))]

    def answer_all(participant: Participant) -> None:
        for position in range(3):
            for server in servers:  # the second one is a repetition
                server.record(participant, position, plan(study, participant.number)[position], "real")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(answer_all, people))
    assert sum(tally.count for tally in servers[0].tallies()) == 60


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_reading_creates_nothing(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    url = f"sqlite:///{path}"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
        empty(url)
    for _ in range(2):
        with pytest.raises(ValueError, match="no answers yet"):
            Database(url, "f", create=False)
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to look like one" * 40])
def test_a_file_that_is_no_database(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"no answers yet|not a database"):
        Database(f"sqlite:///{path}", "f", create=False)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE places (name TEXT)")
    connection.close()
    with pytest.raises(ValueError, match=r"places\.sqlite: is a database of another program"):
        Database(f"sqlite:///{path}", "f")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("places",)]
    connection.close()


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite+pysqlite:///{}"])
def test_every_spelling_of_the_database_is_an_input(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.touch()
    command = Results(study=tmp_path / "in" / "study", database=url.format(path), answers=path)
    with pytest.raises(ValueError, match=r"a\.sqlite is also an input"), outputs(command):
        pass


def test_sqlite_waits_for_the_disk(open_database: Callable[..., Database]) -> None:
    with open_database().engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")
        }
    assert pragmas == {"synchronous": 2, "journal_mode": "wal"}


def test_postgresql_waits_for_the_disk(postgres_url: str, study: Study) -> None:
    database = Database(postgres_url, study.fingerprint())
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("answers.sqlite", "expected sqlite:///FILE"),
        ("mysql://me@host/db", "expected sqlite:///FILE"),
        ("sqlite://", "expected sqlite:///FILE"),
        ("sqlite:///file:answers.sqlite?uri=true", "expected sqlite:///FILE"),
        ("sqlite:///answers.sqlite?timeout=3", "expected sqlite:///FILE"),
        ("sqlite:////no/such/folder/answers.sqlite", "unable to open"),
        ("postgresql://me:secret@127.0.0.1:9/none", "refused"),
    ],
)
def test_databases_that_cannot_be_opened(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        Database(url, "f")
    assert "secret" not in str(raised.value)
