"""Sessions: whose files stay, whose go, and what files are called."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from cfld.app.engine import Drawn
from cfld.app.sessions import COPIES_STAY, KEPT, Lifetime, Session, Sessions, bring, free_path
from cfld.app.settings import Attention

IMAGE = Image.new("RGB", (4, 6), "red")


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    return Sessions(tmp_path.resolve(), Lifetime(grace=10, idle=100, stray=50), clock)


def uploaded(sessions: Sessions, folder: str, name: str = "a.png") -> Path:
    (sessions.uploads / folder).mkdir()
    (sessions.uploads / folder / name).write_bytes(b"x")
    return sessions.uploads / folder / name


def kept(session: Session, source: str = "a.png") -> Path:
    folder = session.new_folder()
    IMAGE.save(folder / source)
    return session.keep(folder, Attention(sources=(source,)), Drawn(IMAGE)).archive


def test_who_has_gone_is_forgotten_after_the_grace(sessions: Sessions, clock: Clock) -> None:
    session, stop = sessions.open("one"), threading.Event()
    mine = sessions.upload(session, str(uploaded(sessions, "u")))
    session.stops[stop] = "task"
    archive = kept(session)
    sessions.leave("one")
    assert stop.is_set()
    clock.time = 9
    sessions.sweep()
    assert archive.exists()
    clock.time = 10
    sessions.sweep()
    assert not archive.exists()
    assert not mine.exists()
    assert sessions.open("one").results == []


def test_who_comes_back_within_the_grace_finds_everything(sessions: Sessions, clock: Clock) -> None:
    archive = kept(sessions.open("one"))
    sessions.leave("one")
    clock.time = 9
    sessions.open("one")
    clock.time = 60
    sessions.sweep()
    assert archive.exists()
    clock.time = 110
    sessions.sweep()
    assert not archive.exists()


def test_uploads_that_nobody_names_go(sessions: Sessions, clock: Clock) -> None:
    held, stray = uploaded(sessions, "held"), uploaded(sessions, "stray")
    copy = sessions.root / "0a1b"
    copy.mkdir()
    now = stray.stat().st_mtime
    clock.time = now
    sessions.upload(sessions.open("one"), str(held))
    clock.time = now + 51
    sessions.sweep()
    assert held.exists()
    assert not stray.exists()
    clock.time = now + COPIES_STAY + 1
    sessions.sweep()
    assert not copy.exists()


@pytest.mark.parametrize(
    "named", [None, 3, "/etc/passwd", "{root}/../../etc/passwd", "{root}/uploads", "{root}/no.png", {}]
)
def test_only_uploads_can_be_named(sessions: Sessions, named: object) -> None:
    path = named.format(root=sessions.root) if isinstance(named, str) else named
    with pytest.raises(ValueError, match="upload it again"):
        sessions.upload(sessions.open("one"), path)


def test_results_hold_what_they_were_drawn_from(sessions: Sessions) -> None:
    session = sessions.open("one")
    with zipfile.ZipFile(kept(session, "cfld-001.png")) as archive:
        assert sorted(archive.namelist()) == ["cfld-001-2.png", "cfld-001.json", "cfld-001.png"]
    assert session.results[0].asked["command"].startswith("cfld attention --source cfld-001.png")


def test_only_the_latest_results_are_kept(sessions: Sessions) -> None:
    session = sessions.open("one")
    archives = [kept(session) for _ in range(KEPT + 2)]
    assert [result.number for result in session.results] == list(range(3, KEPT + 3))
    assert [archive.exists() for archive in archives] == [False, False, *[True] * KEPT]


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("me at home.jpg", "me at home.jpg"),
        ("../../../etc/passwd", "passwd"),
        ("-rf.png", "rf.png"),
        (".hidden", "hidden"),
        ("a\nb;$(c).png", "a_b__(c).png"),
        ("Zoë (2).png", "Zoë (2).png"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
        ("..", "upload"),
        (None, "sent.bin"),
    ],
)
def test_names_are_made_harmless(tmp_path: Path, called: str | None, name: str) -> None:
    (tmp_path / "sent.bin").write_bytes(b"x")
    (tmp_path / "new").mkdir()
    assert bring(tmp_path / "sent.bin", tmp_path / "new", called) == name
    assert (tmp_path / "new" / name).read_bytes() == b"x"


def test_nothing_is_written_over(tmp_path: Path) -> None:
    for name in ("a.png", "a-2.png"):
        (tmp_path / name).touch()
    assert free_path(tmp_path, "a.png").name == "a-3.png"
    assert free_path(tmp_path, "b.png").name == "b.png"
