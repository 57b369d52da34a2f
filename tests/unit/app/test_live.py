"""Live: visitors take turns, of each page the newest pose is drawn; a source is encoded once, and its noise fixed."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cfld.app.engine import Engine, Output
from cfld.app.joint_editor import to_value
from cfld.app.live import Live, LiveSource, Turns
from cfld.app.live_route import LIVE, live_route
from cfld.app.mannequins import mannequin_image, mannequin_pose
from cfld.app.sessions import Sessions
from cfld.app.settings import PoseTransfer
from cfld.config.schema import SamplingConfig
from cfld.models.lora import LowRankUpdate
from cfld.models.student import Student
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import Keypoints, save_keypoints

STUDENT = Student(steps=2, pose_guidance_scale=2.0, appearance_guidance_scale=2.0)


# ---- turns


class Gate:
    """Keeps the thread busy until it is opened; `done` has the names of what ran afterwards."""

    def __init__(self, turns: Turns[str]) -> None:
        self.done: list[str] = []
        self._turns, self._open, running = turns, threading.Event(), threading.Event()

        def wait() -> str:
            running.set()
            self._open.wait()
            return "gate"

        turns.submit("gate", "gate", wait)
        assert running.wait(10)

    def submit(self, visitor: str, page: str, name: str) -> Callable[[], str | None]:
        """Returns the function that waits for the result."""

        def work() -> str:
            self.done.append(name)
            return name

        return self._turns.submit(visitor, page, work).result

    def open(self) -> None:
        self._open.set()


def test_of_a_page_only_the_newest_is_computed() -> None:
    gate = Gate(Turns())
    results = [gate.submit("a", "page", name) for name in ("first", "second", "third")]
    assert [wait() for wait in results[:2]] == [None, None], "at once, before the gate opens"
    gate.open()
    assert results[2]() == "third"
    assert gate.done == ["third"]


def test_visitors_take_turns_however_many_pages_and_poses_they_send() -> None:
    gate = Gate(Turns())
    results = [gate.submit("busy", f"page {i % 3}", f"busy {i}") for i in range(30)]
    results += [gate.submit("other", "page", "other"), gate.submit("third", "page", "third")]
    gate.open()
    for wait in results:
        wait()
    assert gate.done == ["busy 27", "other", "third", "busy 28", "busy 29"]


def test_an_error_is_its_own_requests_alone() -> None:
    turns = Turns[str]()

    def fail() -> str:
        raise ValueError("no")

    failing, next_one = turns.submit("a", "page", fail), turns.submit("b", "page", lambda: "fine")
    with pytest.raises(ValueError, match="no"):
        failing.result(10)
    assert next_one.result(10) == "fine"


# ---- images


@pytest.fixture
def engine(make_pipe: Callable[[], CFLDPipeline]) -> Engine:
    pipe = make_pipe()
    return Engine(pipe.with_student(STUDENT, LowRankUpdate(pipe.unet, 1).lora_state(pipe.unet)))


@pytest.fixture
def live(engine: Engine) -> Live:
    assert engine.live
    return engine.live


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mannequin_image(5).save(tmp_path / "me.png")
    save_keypoints(mannequin_pose(7), tmp_path / "pose.json")
    return tmp_path


@pytest.fixture
def source(folder: Path) -> LiveSource:
    settings = PoseTransfer(source="me.png", sampling=SamplingConfig(steps=2, seed=3))
    return LiveSource("token", settings, folder)


def drawn(live: Live, source: LiveSource, pose: Keypoints) -> bytes:
    image = live.redraw(source, pose, "visitor").result(60)
    assert image
    return image


def test_only_students_are_live(model_folder: Path) -> None:
    pipe = CFLDPipeline.from_pretrained(model_folder)
    assert Engine(pipe).live is None
    with pytest.raises(ValueError, match="student"):
        Live(pipe, Engine(pipe)._prepare)


def test_the_image_is_the_result_in_the_same_pose(engine: Engine, live: Live, source: LiveSource) -> None:
    *_, result = engine.generate(source.settings, source.folder)
    assert isinstance(result, Output)
    image = Image.open(io.BytesIO(drawn(live, source, mannequin_pose(7))))
    assert image.size == result.image.size
    difference = np.asarray(image, dtype=float) - np.asarray(result.image)
    assert np.abs(difference).mean() < 12, "but for the JPEG, and the tiny model draws noise"


def test_one_pose_is_one_image_and_another_is_another(engine: Engine, live: Live, source: LiveSource) -> None:
    first = drawn(live, source, mannequin_pose(7))
    assert drawn(live, source, mannequin_pose(9)) != first
    other = PoseTransfer(source="me.png", sampling=SamplingConfig(steps=4, scheduler="euler"))
    list(engine.generate(other, source.folder))
    assert drawn(live, source, mannequin_pose(7)) == first, "also after a result by another scheduler"


def test_a_source_is_encoded_once(engine: Engine, live: Live, source: LiveSource) -> None:
    calls = []
    engine._pipe.conditioner.source_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    for seed in (7, 9, 7):
        drawn(live, source, mannequin_pose(seed))
    assert len(calls) == 1


def test_poses_are_retargeted_and_fitted_as_those_of_results(live: Live, folder: Path) -> None:
    plain = LiveSource("plain", PoseTransfer(source="me.png"), folder)
    retargeted = LiveSource("retargeted", PoseTransfer(source="me.png", retarget=True), folder)
    assert drawn(live, plain, mannequin_pose(7)) != drawn(live, retargeted, mannequin_pose(7))
    wide = mannequin_pose(7).cropped(0, -100, (256, 376))
    assert drawn(live, plain, wide)


# ---- the route


@pytest.fixture
def sessions(tmp_path: Path, source: LiveSource) -> Sessions:
    sessions = Sessions((tmp_path / "sessions").resolve())
    sessions.get("page").live = source
    return sessions


@pytest.fixture
def client(live: Live, sessions: Sessions) -> TestClient:
    return TestClient(Starlette(routes=[live_route(live, sessions)]))


def test_a_pose_as_json_becomes_a_jpeg(client: TestClient, live: Live, source: LiveSource) -> None:
    response = client.post(LIVE, json={"source": "token", "pose": to_value(mannequin_pose(7))})
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    assert response.content == drawn(live, source, mannequin_pose(7))


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"source": "unknown"}, 410, "removed with its session"),
        ({"source": 3}, 400, "source"),
        ({"pose": None}, 400, "pose"),
        ({"pose": {"frame": [256, 176], "keypoints": [[1, 2]]}}, 400, "keypoints"),
        ({"pose": {"frame": [256, 176], "keypoints": [[-1, -1]] * 18}}, 400, "all 18 joints are missing"),
        ({"more": 1}, 400, "more"),
    ],
)
def test_other_requests_are_refused(client: TestClient, change: dict[str, object], status: int, words: str) -> None:
    response = client.post(LIVE, json={"source": "token", "pose": to_value(mannequin_pose(7))} | change)
    assert (response.status_code, words in response.text) == (status, True), response.text


def test_a_pose_that_was_replaced_has_no_content(client: TestClient, live: Live) -> None:
    gate = Gate(live._turns)  # type: ignore[arg-type]
    body = {"source": "token", "pose": to_value(mannequin_pose(7))}
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(client.post(LIVE, json=body).status_code)) for _ in "ab"]
    for thread in threads:
        thread.start()
    while not statuses:  # the replaced one answers while the gate is closed
        threads[0].join(0.01)
    gate.open()
    for thread in threads:
        thread.join()
    assert statuses == [204, 200]
