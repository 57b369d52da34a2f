"""Participants and their answers in a database: SQLite in a file, or PostgreSQL for several servers.

An answer is acknowledged after its transaction is on disk: SQLite syncs its log at every commit (`synchronous=FULL`),
PostgreSQL commits synchronously. A repeated answer changes nothing.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cfld.study.plan import Trial

CREATION_LOCK: Final = 0x63666C64
"""PostgreSQL advisory lock for creating the tables: "cfld" in ASCII."""
POSTGRES: Final = "postgresql+psycopg"
DRIVERS: Final = {"sqlite": "sqlite+pysqlite", "postgresql": POSTGRES, "postgres": POSTGRES}
URL_FORMAT: Final = "expected sqlite:///FILE or postgresql://USER@HOST/NAME"

_CLOCK_START: Final = time.time() - time.monotonic()

metadata: Final = sa.MetaData()

studies: Final = sa.Table(
    "cfld_studies",
    metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("participants", sa.Integer, nullable=False),
)
"""One row: which study this is, and how many have begun."""

participants: Final = sa.Table(
    "cfld_participants",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("shown", sa.Integer, nullable=False),
    sa.Column("shown_at", sa.Double, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
)

answers: Final = sa.Table(
    "cfld_answers",
    metadata,
    sa.Column("number", sa.ForeignKey(participants.c.number), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("pair", sa.Integer),
    sa.Column("pick", sa.Text, nullable=False),
    sa.Column("expected", sa.Text),
    sa.Column("answered_at", sa.Double, nullable=False),
)


@dataclass(frozen=True)
class Participant:
    """A participant and their progress.

    Attributes:
        number: 1, 2, 3, ... in the order of arrival.
        method: the method whose images they judge in part one.
        answered: number of answers; index of the next question in the plan.
        shown, shown_at: the last question with a time limit whose images were sent, and when first (`steady_time`).
    """

    number: int
    method: str
    answered: int
    shown: int
    shown_at: float

    def seconds_since_shown(self, position: int) -> float | None:
        """Time since images of the question were first sent; None if they were not."""
        return max(0.0, steady_time() - self.shown_at) if self.shown == position else None


def steady_time() -> float:
    """Unix time that a change of the system's clock does not move as long as this process runs."""
    return _CLOCK_START + time.monotonic()


@dataclass(frozen=True)
class Tally:
    """How often a participant gave one answer to questions of one kind.

    Attributes:
        method: the method whose images the participant judged in part one.
        kind, pick, expected: as in `Trial`; None for a participant without answers.
    """

    number: int
    method: str
    kind: str | None
    pick: str | None
    expected: str | None
    count: int


class DatabaseError(ValueError):
    """The database cannot be read or written: for example, it is unreachable, damaged, or its disk is full."""


def sqlite_files(url: str) -> list[Path]:
    """The file of an SQLite database and those that SQLite writes beside it; none for PostgreSQL.

    Raises:
        ValueError: as `Database`.
    """
    parsed = _parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return []
    return [Path(f"{parsed.database}{ending}") for ending in ("", "-wal", "-shm", "-journal")]


class Database:
    """The database of one study. Each method is one transaction, and raises `DatabaseError` if that fails."""

    def __init__(self, url: str | URL, fingerprint: str, create: bool = True) -> None:
        """
        Args:
            url: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.
            fingerprint: the study's.
            create: missing file and tables; otherwise they must exist.

        Raises:
            ValueError: if the database cannot be opened, is damaged, or holds the answers of another study or, as an
                SQLite file, the tables of another program.
        """
        self.engine = _engine(_parse_url(url))
        if not create and not self._exists():
            raise ValueError(f"{self.engine.url}: no answers yet; cfld study serve creates it")
        self._claim(fingerprint)

    def find(self, token_hash: str) -> Participant | None:
        """The participant with this token."""
        with self._transaction() as connection:
            return _find(connection, token_hash)

    def find_or_add(self, token_hash: str, method_of: Callable[[int], str], most: int) -> Participant | None:
        """The participant with this token, added if there is none; None if the study already has `most` participants.

        Args:
            method_of: participant's number -> the method they judge in part one.
        """
        with self._transaction() as connection:
            count = connection.execute(_LOCK_STUDY).scalar_one()
            if (participant := _find(connection, token_hash)) is not None or count >= most:
                return participant
            new = Participant(count + 1, method_of(count + 1), answered=0, shown=-1, shown_at=0.0)
            connection.execute(sa.update(studies).values(participants=new.number))
            row = {**vars(new), "token_hash": token_hash, "started_at": time.time()}
            connection.execute(sa.insert(participants).values(row))
        return new

    def record(self, participant: Participant, position: int, trial: Trial, pick: str) -> bool:
        """Stores the answer to question `position` if it is the participant's next one.

        Returns:
            Whether it was stored, which a repeated answer is not.
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
        next_answer = sa.update(participants).where(
            participants.c.number == participant.number, participants.c.answered == position
        )
        with self._transaction() as connection:
            is_next = connection.execute(next_answer.values(answered=position + 1)).rowcount == 1
            if is_next:
                connection.execute(sa.insert(answers), row)
        return is_next

    def record_shown(self, participant: Participant, position: int) -> None:
        """Stores when images of question `position` were first sent."""
        not_shown = participants.c.number == participant.number, participants.c.shown < position
        with self._transaction() as connection:
            connection.execute(sa.update(participants).where(*not_shown).values(shown=position, shown_at=steady_time()))

    def tallies(self) -> list[Tally]:
        """All answers, counted by participant and kind; participants without answers have one with count 0."""
        keys = [participants.c.number, participants.c.method, answers.c.kind, answers.c.pick, answers.c.expected]
        query = sa.select(*keys, sa.func.count(answers.c.position).label("count")).select_from(
            participants.outerjoin(answers)
        )
        with self._transaction() as connection:
            rows = connection.execute(query.group_by(*keys).order_by(participants.c.number)).mappings()
            return [Tally(**row) for row in rows]

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yields every answer, in order, with its participant's number, method and number of answers.

        Nothing in it identifies a person.
        """
        query = sa.select(participants.c.method, participants.c.answered, answers).join_from(answers, participants)
        with self._transaction() as connection:
            for row in connection.execute(query.order_by(answers.c.number, answers.c.position)).mappings():
                yield dict(row)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise DatabaseError(f"{self.engine.url}: {getattr(error, 'orig', None) or error}") from error

    def _exists(self) -> bool:
        url = self.engine.url
        if url.get_backend_name() == "sqlite":  # opening would create it
            file = Path(url.database or "")
            if not file.exists() or file.stat().st_size == 0:
                return False
        with self._transaction() as connection:
            return sa.inspect(connection).has_table(studies.name)

    def _claim(self, fingerprint: str) -> None:
        """Creates the tables and stores the study's fingerprint, or checks it. Several servers may do so at once."""
        with self._transaction() as connection:
            if self.engine.dialect.name == "sqlite":
                _check_integrity(connection)
            stored = None
            tables = sa.inspect(connection).get_table_names()
            if self.engine.dialect.name == "sqlite" and not metadata.tables.keys() >= set(tables):
                raise ValueError(f"{self.engine.url}: is a database of another program; name another --database")
            if studies.name in tables:
                stored = connection.execute(sa.select(studies.c.fingerprint)).scalar()
        if stored is None:
            stored = self._create(fingerprint)
        if stored != fingerprint:
            raise ValueError(
                f"{self.engine.url}: holds answers to another study, or study.json was changed since; "
                "name another --database"
            )

    def _create(self, fingerprint: str) -> str:
        """Returns the fingerprint that is stored then; the first of several servers stores its own."""
        with self._transaction() as connection:
            lock = "BEGIN IMMEDIATE" if self.engine.dialect.name == "sqlite" else _LOCK_CREATION
            connection.exec_driver_sql(lock)
            metadata.create_all(connection)
            stored = connection.execute(sa.select(studies.c.fingerprint)).scalar()
            if stored is None:
                connection.execute(sa.insert(studies).values(fingerprint=fingerprint, participants=0))
        return stored or fingerprint


def _check_integrity(connection: sa.Connection) -> None:
    """Reads a whole SQLite file: else a damaged page shows when an answer is needed from it, or never."""
    if (found := connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()) != "ok":
        raise DatabaseError(f"{connection.engine.url}: damaged ({found}); restore it from a copy")


_LOCK_CREATION: Final = f"SELECT pg_advisory_xact_lock({CREATION_LOCK})"
_LOCK_STUDY: Final = sa.update(studies).values(participants=studies.c.participants).returning(studies.c.participants)
"""Locks the study's row until the transaction ends, so that servers number participants one after the other."""


def _find(connection: sa.Connection, token_hash: str) -> Participant | None:
    columns = (participants.c[field.name] for field in fields(Participant))
    row = connection.execute(sa.select(*columns).where(participants.c.token_hash == token_hash)).first()
    return None if row is None else Participant(*row)


def _parse_url(url: str | URL) -> URL:
    """The URL with the driver that cfld's extras install."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(f"database {str(url)!r}: {URL_FORMAT}") from None
    kind = parsed.get_backend_name()
    if kind not in DRIVERS or (kind == "sqlite" and not _names_a_file(parsed)):
        raise ValueError(f"database {parsed}: {URL_FORMAT}")
    return parsed.set(drivername=DRIVERS[kind])


def _names_a_file(url: URL) -> bool:
    """Whether an SQLite URL is a plain path; with parameters, or as `file:`, it may mean another file or none."""
    return url.database not in (None, "", ":memory:") and not url.query and not str(url.database).startswith("file:")


def _engine(url: URL) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_size=10, max_overflow=0, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ModuleNotFoundError as error:
        raise ValueError(f"{url}: needs the package {error.name}: pip install 'cfld[postgres]'") from None
    sa.event.listen(engine, "connect", _sqlite_durable if engine.dialect.name == "sqlite" else _postgres_durable)
    return engine


def _sqlite_durable(connection: Any, _: Any) -> None:
    for pragma in ("busy_timeout=30000", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    with suppress(sqlite3.OperationalError):  # for this one SQLite does not wait; any journal keeps the answers
        connection.execute("PRAGMA journal_mode=WAL")


def _postgres_durable(connection: Any, _: Any) -> None:
    connection.execute("SET synchronous_commit TO on")
    connection.commit()
