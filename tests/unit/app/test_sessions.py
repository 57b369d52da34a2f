"""Sessions: lifetime of files, and the archives of results."""

from __future__ import annotations

import shutil
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from cfld.app.engine import Output
from cfld.app.limits import LimitReachedError, Limits
from cfld.app.live import LiveSource
from cfld.app.sessions import COPY_SECONDS, MAX_RESULTS, Lifetime, Session, Sessions, unused_path
from cfld.app.settings import Attention, PoseTransfer
from support.clock import Clock

LIMITS = Limits(pages=2, sessions=5, visitor_megabytes=1, total_megabytes=2)
IMAGE = Image.new("RGB", (4, 6), "red")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    return Sessions(tmp_path.resolve(), Lifetime(closed=10, idle=100, unused=50), LIMITS, clock)


def uploaded(sessions: Sessions, folder: str, name: str = "a.png") -> Path:
    (sessions.uploads / folder).mkdir()
    (sessions.uploads / folder / name).write_bytes(b"x")
    return sessions.uploads / folder / name


def saved(session: Session, source: str = "a.png") -> Path:
    folder = session.new_folder()
    IMAGE.save(folder / source)
    return session.save_result(folder, Attention(sources=(source,)), Output(IMAGE)).archive


def test_files_are_removed_a_while_after_the_page_was_closed(sessions: Sessions, clock: Clock) -> None:
    session = sessions.get("one")
    mine = sessions.claim_upload(session, str(uploaded(sessions, "u")))
    archive = saved(session)
    sessions.close("one")
    clock.time = 9
    sessions.remove_expired()
    assert archive.exists()
    clock.time = 10
    sessions.remove_expired()
    assert not archive.exists()
    assert not mine.exists()
    assert sessions.get("one").results == []


def test_a_visitor_who_comes_back_in_time_finds_everything(sessions: Sessions, clock: Clock) -> None:
    archive = saved(sessions.get("one"))
    sessions.close("one")
    clock.time = 9
    sessions.get("one")
    clock.time = 60
    sessions.remove_expired()
    assert archive.exists()
    clock.time = 110
    sessions.remove_expired()
    assert not archive.exists()


def test_unused_uploads_are_removed(sessions: Sessions, clock: Clock) -> None:
    held, stray = uploaded(sessions, "held"), uploaded(sessions, "stray")
    copy = sessions.root / "0a1b"
    copy.mkdir()
    now = stray.stat().st_mtime
    clock.time = now
    sessions.claim_upload(sessions.get("one"), str(held))
    clock.time = now + 51
    sessions.remove_expired()
    assert held.exists()
    assert not stray.exists()
    clock.time = now + COPY_SECONDS + 1
    sessions.remove_expired()
    assert not copy.exists()


@pytest.mark.parametrize(
    "named", [None, 3, "/etc/passwd", "{root}/../../etc/passwd", "{root}/uploads", "{root}/no.png", {}]
)
def test_only_uploads_can_be_named(sessions: Sessions, named: object) -> None:
    path = named.format(root=sessions.root) if isinstance(named, str) else named
    with pytest.raises(ValueError, match="upload it again"):
        sessions.claim_upload(sessions.get("one"), path)


def test_archives_contain_the_input_files(sessions: Sessions) -> None:
    session = sessions.get("one")
    with zipfile.ZipFile(saved(session, "cfld-001.png")) as archive:
        assert sorted(archive.namelist()) == ["cfld-001-2.png", "cfld-001.json", "cfld-001.png"]
    assert session.results[0].settings["command"].startswith("cfld attention --source cfld-001.png")


def test_only_the_latest_results_are_saved(sessions: Sessions) -> None:
    session = sessions.get("one")
    archives = [saved(session) for _ in range(MAX_RESULTS + 2)]
    assert [result.number for result in session.results] == list(range(3, MAX_RESULTS + 3))
    assert [archive.exists() for archive in archives] == [False, False, *[True] * MAX_RESULTS]


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    for name in ("a.png", "a-2.png"):
        (tmp_path / name).touch()
    assert unused_path(tmp_path, "a.png").name == "a-3.png"
    assert unused_path(tmp_path, "b.png").name == "b.png"


def test_waiting_for_a_cancelled_task_ends_when_it_has_stopped(tmp_path: Path) -> None:
    session = Sessions(tmp_path).get("visitor")
    session.wait_until_stopped("pose_transfer")  # never started
    order: list[str] = []
    with session.running("pose_transfer"):
        waiting = threading.Thread(target=lambda: (session.wait_until_stopped("pose_transfer"), order.append("waited")))
        waiting.start()
        session.wait_until_stopped("attention")  # another task
        waiting.join(0.1)
        order.append("stopped")
    waiting.join(10)
    assert order == ["stopped", "waited"]


def test_a_visitor_with_many_pages_loses_the_one_used_longest_ago(sessions: Sessions, clock: Clock) -> None:
    first, second = sessions.get("one", "ann"), sessions.get("two", "ann")
    bob = sessions.get("bob's", "bob")
    clock.time = 1
    sessions.get("one", "ann")
    sessions.get("three", "ann")
    assert sessions.remove_expired() == ["two"]
    assert sessions.get("one", "ann") is first
    assert sessions.get("bob's", "bob") is bob
    assert sessions.get("two", "ann") is not second


def test_a_running_page_is_not_closed(sessions: Sessions) -> None:
    with sessions.get("one", "ann").running("attention"):
        sessions.get("two", "ann")
        sessions.get("three", "ann")
        assert sessions.remove_expired() == ["two"]


def test_there_is_a_limit_on_all_pages(sessions: Sessions) -> None:
    for number in range(LIMITS.sessions):
        sessions.get(str(number), str(number))
    with pytest.raises(LimitReachedError, match="too many visitors"):
        sessions.get("one more", "another")
    sessions.get("0", "0")


def test_uploads_and_results_of_a_visitor_are_limited(sessions: Sessions) -> None:
    megabyte = 2**20
    with sessions.arriving("ann", megabyte // 2):
        sessions.check_room("ann", megabyte // 2)
        with pytest.raises(LimitReachedError, match="more than 1 MB"):
            sessions.check_room("ann", megabyte)
        sessions.check_room("bob", megabyte)
        with pytest.raises(LimitReachedError, match="more than 1 MB"), sessions.arriving("ann", megabyte):
            pass


def test_all_uploads_and_results_are_limited(sessions: Sessions) -> None:
    file = sessions.new_upload("ann", "a.png")
    file.write_bytes(b"x" * 2**20)
    folder = sessions.get("one", "bob").new_folder()
    (folder / "b.png").hardlink_to(file)  # half of it belongs to each
    (folder / "result.png").write_bytes(b"x" * 2**19)
    sessions.remove_expired()
    sessions.check_room("ann", 2**19)
    sessions.check_room("eve", 2**19)
    for visitor in ("bob", "eve"):
        with pytest.raises(LimitReachedError):
            sessions.check_room(visitor, 2**19 + 1)
    sessions.close("one")
    shutil.rmtree(file.parent)
    sessions.get("one", "bob").remove()
    sessions.remove_expired()
    sessions.check_room("eve", 2**20)


def test_a_source_to_drag_is_found_while_its_session_lasts(sessions: Sessions, clock: Clock) -> None:
    session = sessions.get("page")
    assert sessions.find_live("token") is None
    session.live = LiveSource("token", PoseTransfer(source="a.png"), session.new_folder())
    clock.time += 90
    assert sessions.find_live("token") is session.live
    clock.time += 90
    assert sessions.remove_expired() == [], "a joint was dragged meanwhile"
    sessions.close("page")
    assert sessions.find_live("token") is session.live
    clock.time += 10
    assert sessions.remove_expired() == ["page"], "a late request does not open a closed page again"
    assert sessions.find_live("token") is None
