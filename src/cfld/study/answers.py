"""Participants and their answers in a database: SQLite in a file, or PostgreSQL for several servers.

An answer is told to be kept only after its transaction is on the disk: SQLite syncs its log at every commit
(`synchronous=FULL`), PostgreSQL commits synchronously. A repeated answer changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cfld.study.plan import Trial
from cfld.study.tables import answers, metadata, participants, studies

FIRST_USE: Final = 0x63666C64
"""The lock under which servers make the tables: "cfld"."""


@dataclass(frozen=True)
class Participant:
    """Who is there, and how far they are.

    Attributes:
        number: 1, 2, 3, ... in the order of arrival.
        answered: answers given; the next question's index in the plan.
        shown, shown_at: the question whose images were handed out last, and when (seconds since 1970) first.
    """

    number: int
    method: str
    answered: int
    shown: int
    shown_at: float

    def looked_for(self, position: int) -> float | None:
        """Seconds since images of that question were first handed out; none if they were not."""
        return time.time() - self.shown_at if self.shown == position else None


@dataclass(frozen=True)
class Tally:
    """How often a participant gave one answer to questions of one kind.

    Attributes:
        method: the participant's in part one.
        kind, pick, expected: as in `Trial`; none for a participant without answers.
    """

    number: int
    method: str
    kind: str | None
    pick: str | None
    expected: str | None
    count: int


class Answers:
    """The database of one study."""

    def __init__(self, url: str | URL, fingerprint: str) -> None:
        """
        Args:
            url: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; tables are made where there are none.
            fingerprint: the study's.

        Raises:
            ValueError: for a database that cannot be opened, and one that holds answers to another study.
        """
        self.engine = _engine(_checked(url))
        try:
            self._claim(fingerprint)
        except SQLAlchemyError as error:
            raise ValueError(f"{self.engine.url}: {getattr(error, 'orig', None) or error}") from None

    def begin(self, token_hash: str, method_of: Callable[[int], str], most: int) -> Participant | None:
        """Finds the participant with this token, or adds one; None if there are already `most`.

        Args:
            method_of: participant's number -> the method they judge in part one.
        """
        with self.engine.begin() as connection:
            count = connection.execute(_LOCK_STUDY).scalar_one()
            if (participant := _find(connection, token_hash)) is not None or count >= most:
                return participant
            new = Participant(count + 1, method_of(count + 1), answered=0, shown=-1, shown_at=0.0)
            connection.execute(sa.update(studies).values(participants=new.number))
            row = {**vars(new), "token_hash": token_hash, "started_at": time.time()}
            connection.execute(sa.insert(participants).values(row))
        return new

    def find(self, token_hash: str) -> Participant | None:
        """The participant of that token."""
        with self.engine.connect() as connection:
            return _find(connection, token_hash)

    def record(self, participant: Participant, position: int, trial: Trial, pick: str) -> bool:
        """Stores the answer to question `position` if it is the participant's next one.

        Returns:
            Whether it was stored (a repeated answer is not); the transaction is then on disk.
        """
        row = {
            "number": participant.number,
            "position": position,
            "part": trial.part,
            "kind": trial.kind,
            "pair": trial.pair,
            "pick": pick,
            "expected": trial.expected,
            "answered_at": time.time(),
        }
        with self.engine.begin() as connection:
            is_next = connection.execute(_COUNT_ANSWER, {"who": participant.number, "at": position}).rowcount == 1
            if is_next:
                connection.execute(sa.insert(answers), row)
        return is_next

    def show(self, participant: Participant, position: int) -> None:
        """Records when images of question `position` were first sent."""
        values = {"who": participant.number, "at": position, "now": time.time()}
        with self.engine.begin() as connection:
            connection.execute(_SHOW, values)

    def tallies(self) -> list[Tally]:
        """All answers, counted; participants without any are there with a count of 0."""
        keys = [participants.c.number, participants.c.method, answers.c.kind, answers.c.pick, answers.c.expected]
        query = sa.select(*keys, sa.func.count(answers.c.position).label("count")).select_from(
            participants.outerjoin(answers)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(query.group_by(*keys).order_by(participants.c.number)).mappings()
            return [Tally(**row) for row in rows]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every answer with its participant's number and method, in order; nothing in it leads to a person."""
        query = sa.select(participants.c.method, answers).join_from(answers, participants)
        with self.engine.connect() as connection:
            for row in connection.execute(query.order_by(answers.c.number, answers.c.position)).mappings():
                yield dict(row)

    def close(self) -> None:
        self.engine.dispose()

    def _claim(self, fingerprint: str) -> None:
        """Makes the tables and writes the study's name into them, or sees that it is there."""
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":  # several servers may start at once
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(FIRST_USE)))
            metadata.create_all(connection)
            there = connection.execute(sa.select(studies.c.fingerprint)).scalar()
            if there is None:
                connection.execute(sa.insert(studies).values(fingerprint=fingerprint, participants=0))
        if there not in (None, fingerprint):
            raise ValueError(
                f"{self.engine.url}: holds answers to another study, or study.json was changed since; "
                "name another --database"
            )


def _find(connection: sa.Connection, token_hash: str) -> Participant | None:
    row = connection.execute(_FIND, {"token": token_hash}).first()
    return None if row is None else Participant(*row)


_FIND: Final = sa.select(
    *(participants.c[name] for name in ("number", "method", "answered", "shown", "shown_at"))
).where(participants.c.token_hash == sa.bindparam("token"))
_COUNT_ANSWER: Final = (
    sa.update(participants)
    .where(participants.c.number == sa.bindparam("who"), participants.c.answered == sa.bindparam("at"))
    .values(answered=participants.c.answered + 1)
)
_LOCK_STUDY: Final = sa.update(studies).values(participants=studies.c.participants).returning(studies.c.participants)
"""Holds the study's row until the transaction ends, so that servers number participants one after the other."""
_SHOW: Final = (
    sa.update(participants)
    .where(participants.c.number == sa.bindparam("who"), participants.c.shown < sa.bindparam("at"))
    .values(shown=sa.bindparam("at"), shown_at=sa.bindparam("now"))
)


def _checked(url: str | URL) -> URL:
    """The URL with the driver that this package brings along."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(f"database {str(url)!r}: expected sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    kind = parsed.get_backend_name()
    if kind not in drivers or (kind == "sqlite" and parsed.database in (None, "", ":memory:")):
        raise ValueError(f"database {parsed}: expected sqlite:///FILE or postgresql://USER@HOST/NAME")
    return parsed.set(drivername=drivers[kind])


def _engine(url: URL) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_size=10, max_overflow=0, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ModuleNotFoundError as error:
        raise ValueError(f"{url}: needs the package {error.name}: pip install 'cfld[postgres]'") from None
    durable = _sqlite_durable if engine.dialect.name == "sqlite" else _postgres_durable
    sa.event.listen(engine, "connect", durable)
    return engine


def _sqlite_durable(connection: Any, _: Any) -> None:
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _postgres_durable(connection: Any, _: Any) -> None:
    connection.execute("SET synchronous_commit TO on")
    connection.commit()
