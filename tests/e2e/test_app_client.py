"""The app as programs and strangers meet it over the network: the real server, the real queue, many at once."""

from __future__ import annotations

import json
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from cfld.app.engine import Engine
from cfld.app.joint_editor import to_value
from cfld.app.limits import Limits
from cfld.app.mannequins import mannequin_image, mannequin_pose
from cfld.app.server import serve
from cfld.app.sessions import Lifetime
from cfld.app.settings import ServedModel
from cfld.cli import main
from cfld.pipeline import CFLDPipeline
from cfld.poses.keypoints import save_keypoints
from support.commands import Server

QUEUE = 30
FUNCTIONS = {
    *("/pose_transfer", "/style_transfer", "/interpolation", "/attention"),
    *("/mannequin_image", "/mannequin_pose", "/read_pose", "/check_image", "/archive"),
}

CANCEL = {"session_hash": "abc", "fn_index": 0, "event_id": "abc"}

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def engine(model_folder: Path) -> Engine:
    limits = Limits(megabytes=1, megapixels=1, requests=QUEUE)
    return Engine(CFLDPipeline.from_pretrained(model_folder), served=ServedModel(model="tiny"), limits=limits)


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    with serve(engine, port=0, queue_limit=QUEUE, lifetime=Lifetime(closed=0.0)) as address:
        yield address


@pytest.fixture(autouse=True)
def _downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients leave a folder in the temporary folder for each download."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def connect(address: str, **options: Any) -> Client:
    return Client(address, verbose=False, download_files=tempfile.gettempdir(), **options)


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = connect(address)
    yield client
    client.close()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    mannequin_image(5).save(tmp_path / "a.png")
    mannequin_image(6).save(tmp_path / "b.png")
    mask = np.zeros((256, 176), dtype=np.uint8)
    mask[80:140, 50:120] = 255
    Image.fromarray(mask).save(tmp_path / "white.png")
    return tmp_path


def arguments(task: str, files: Path) -> dict[str, Any]:
    a, b = (handle_file(str(files / name)) for name in ("a.png", "b.png"))
    mask = {"background": None, "layers": [handle_file(str(files / "white.png"))], "composite": None}
    quick = {"steps": 3, "seed": 4}
    return {
        "/pose_transfer": {"source": a, "target_pose": to_value(mannequin_pose(9)), "scheduler": "ddim", **quick},
        "/style_transfer": {"reference": a, "mask": mask, "source": b, "feather": 2.0, **quick},
        "/interpolation": {"source_1": a, "source_2": b, "frames": 3, **quick},
        "/attention": {"source": a, "blocks": "mean"},
    }[task]


def test_every_function_has_a_name(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == FUNCTIONS
    assert api["unnamed_endpoints"] == {}


MIXED = {"output": "mixed", "weight_1": 0.2, "weight_2": 0.4, "source_4": "a.png"}


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("/pose_transfer", {}),
        ("/pose_transfer", {"fit": "letterbox", "retarget": True, "scheduler": "model default"}),
        ("/style_transfer", {}),
        ("/style_transfer", {"paste": False, "find_pose": False, "target_pose": to_value(mannequin_pose(5))}),
        ("/interpolation", {}),
        ("/interpolation", MIXED),
        ("/attention", {}),
    ],
)
def test_the_command_generates_the_same_image(
    client: Client,
    files: Path,
    model_folder: Path,
    task: str,
    more: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {
        name: handle_file(str(files / value)) if str(value).endswith("png") else value for name, value in more.items()
    }
    image, status, settings = client.predict(**arguments(task, files) | given, api_name=task)
    assert status["text"].startswith("Done")
    there = tmp_path / "unpacked"
    with zipfile.ZipFile(client.predict(api_name="/archive")) as archive:
        archive.extractall(there)
    assert json.loads(next(there.glob("cfld-*.json")).read_text()) == settings
    (there / "tiny").symlink_to(model_folder)
    before = set(there.rglob("*.png"))
    monkeypatch.chdir(there)
    main([*shlex.split(settings["command"])[1:], "--device", "cpu"])
    (made,) = {path for path in there.rglob("*.png") if "retargeted" not in path.parts} - before
    assert (np.asarray(Image.open(made)) == np.asarray(Image.open(image))).all()
    assert (np.asarray(Image.open(next(there.glob("cfld-*.png")))) == np.asarray(Image.open(made))).all()


def test_poses_and_mannequins(client: Client, files: Path) -> None:
    assert client.predict(seed=7, api_name="/mannequin_pose") == to_value(mannequin_pose(7))
    figure = client.predict(seed=5, api_name="/mannequin_image")
    assert (np.asarray(Image.open(figure)) == np.asarray(Image.open(files / "a.png"))).all()
    save_keypoints(mannequin_pose(3), files / "three.json")
    assert client.predict(handle_file(str(files / "three.json")), api_name="/read_pose") == to_value(mannequin_pose(3))
    found = client.predict(handle_file(figure), api_name="/read_pose")
    assert found["frame"] == [256, 176]
    with pytest.raises(AppError, match="no known format of keypoints"):
        client.predict(handle_file(text(files / "b.json")), api_name="/read_pose")


def text(path: Path) -> str:
    path.write_text("I am no image, and no JSON either")
    return str(path)


def huge(path: Path) -> str:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, b"IDAT")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return str(path)


def truncated(path: Path) -> str:
    mannequin_image(5).save(path)
    path.write_bytes(path.read_bytes()[:4000])
    return str(path)


def empty(path: Path) -> str:
    path.write_bytes(b"")
    return str(path)


def wide(path: Path) -> str:
    Image.new("L", (1500, 1500)).save(path)
    return str(path)


def animated(path: Path) -> str:
    mannequin_image(5).save(path, "GIF", save_all=True, append_images=[mannequin_image(6)])
    return str(path)


def transparent(path: Path) -> str:
    figure = mannequin_image(5)
    figure.putalpha(Image.linear_gradient("L").resize(figure.size))
    figure.save(path)
    return str(path)


def turned(path: Path) -> str:
    exif = Image.Exif()
    exif[0x0112] = 3
    mannequin_image(5).rotate(180).save(path, "JPEG", exif=exif)
    return str(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (text, "not an image in a supported format"),
        (huge, "too many pixels"),
        (wide, "1500 x 1500"),
        (truncated, "damaged"),
        (empty, "empty"),
    ],
)
def test_bad_uploads_get_a_message(client: Client, files: Path, make: Callable[[Path], str], words: str) -> None:
    sent = handle_file(make(files / "mine.png"))
    for call in ({"file": sent, "api_name": "/check_image"}, {"source": sent, "api_name": "/pose_transfer"}):
        with pytest.raises(AppError, match=words) as caught:
            client.predict(**call)
        assert "mine.png" in str(caught.value)
        assert "/sessions/" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"), [(animated, "animation"), (transparent, "Transparent"), (turned, "upright")]
)
def test_odd_uploads_are_taken_with_a_note(
    client: Client, files: Path, make: Callable[[Path], str], words: str
) -> None:
    sent = handle_file(make(files / "odd.png"))
    assert words in client.predict(sent, api_name="/check_image")
    _, status, settings = client.predict(source=sent, steps=2, api_name="/pose_transfer")
    assert words in status["text"]
    assert words in settings["notes"][0]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"steps": 100_000}, "steps: Input should be less than or equal to 250, got '100000'"),
        ({"steps": "many"}, "steps: Input should be a valid integer, got 'many'"),
        ({"pose_guidance": None}, "pose guidance: Input should be a valid number"),
        ({"scheduler": "magic"}, "scheduler: Input should be 'ddpm', 'ddim'"),
        ({"seed": -3}, "seed: Input should be greater than or equal to 0"),
        ({"fit": "squeeze"}, "fit: Input should be 'crop' or 'letterbox', got 'squeeze'"),
        ({"retarget": 3}, "retarget: Input should be a valid boolean"),
        ({"target_pose": {"frame": [256, 176]}}, "pose: keypoints: Field required"),
        ({"target_pose": {"frame": [256, 176], "keypoints": [[-1, -1]] * 18}}, "all 18 joints are missing"),
        ({"source": None}, "source is missing"),
    ],
)
def test_bad_values_get_a_message(client: Client, files: Path, bad: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=re.escape(words)):
        client.predict(**arguments("/pose_transfer", files) | bad, api_name="/pose_transfer")


def test_bad_masks_and_weights_get_a_message(client: Client, files: Path) -> None:
    Image.new("L", (176, 256)).save(files / "white.png")
    with pytest.raises(AppError, match="the mask is empty"):
        client.predict(**arguments("/style_transfer", files), api_name="/style_transfer")
    given = arguments("/interpolation", files)
    with pytest.raises(AppError, match="at least two sources"):
        client.predict(**given | {"source_2": None}, api_name="/interpolation")
    with pytest.raises(AppError, match="all weights are 0"):
        client.predict(**given | MIXED | {"weight_1": 0, "weight_2": 0, "source_4": None}, api_name="/interpolation")


def test_twenty_users_at_once_and_none_is_lost(address: str, files: Path) -> None:
    def one(seed: int) -> tuple[int, bytes]:
        client = connect(address, httpx_kwargs={"timeout": 120})  # twenty clients share this process, too
        sent = arguments("/pose_transfer", files) | {"seed": seed}
        image, _, settings = client.predict(**sent, api_name="/pose_transfer")
        generated = np.asarray(Image.open(image)).tobytes()
        client.close()
        return settings["sampling"]["seed"], generated

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(one, range(20)))
    assert [seed for seed, _ in results] == list(range(20))
    assert len({image for _, image in results}) == 20


def test_the_queue_has_a_limit_and_says_so(engine: Engine, files: Path) -> None:
    with serve(engine, port=0, queue_limit=2) as address:
        client = connect(address)
        slow = arguments("/pose_transfer", files) | {"steps": 250}
        jobs = [client.submit(**slow, api_name="/pose_transfer") for _ in range(6)]
        refused = [error for job in jobs[1:] if (error := failure(job))]
        assert refused
        assert all("queue" in str(error).lower() for error in refused)
        for job in jobs:
            job.cancel()
        client.close()


def failure(job: Any) -> Exception | None:
    """Why a job was refused within a second, if it was."""
    try:
        job.result(timeout=1)
    except TimeoutError:
        return None
    except Exception as error:  # noqa: BLE001
        return None if "Timeout" in type(error).__name__ else error
    return None


def test_cancelling_really_stops_the_sampling(engine: Engine, client: Client, files: Path) -> None:
    steps: list[int] = []
    hook = engine._pipe.unet.register_forward_pre_hook(lambda *_: steps.append(1))
    job = client.submit(**arguments("/pose_transfer", files) | {"steps": 250}, api_name="/pose_transfer")
    until(lambda: len(steps) > 3)
    job.cancel()
    until(lambda: not grows(steps), 60)
    hook.remove()
    assert len(steps) < 250


def test_sampling_stops_when_the_page_is_closed(engine: Engine, address: str, files: Path) -> None:
    steps: list[int] = []
    hook = engine._pipe.unet.register_forward_pre_hook(lambda *_: steps.append(1))
    script = (
        "import sys, json; from gradio_client import Client, handle_file\n"
        "client = Client(sys.argv[1], verbose=False, download_files=False)\n"
        "pose = json.loads(sys.argv[3])\n"
        "client.predict(source=handle_file(sys.argv[2]), target_pose=pose, steps=250, api_name='/pose_transfer')"
    )
    pose = json.dumps(to_value(mannequin_pose(9)))
    with subprocess.Popen([sys.executable, "-c", script, address, files / "a.png", pose]) as visitor:
        until(lambda: len(steps) > 3, 60)
        visitor.kill()
    until(lambda: not grows(steps), 60)
    hook.remove()
    assert len(steps) < 250


def grows(steps: list[int]) -> bool:
    """Whether steps are added within two seconds, many times what one takes."""
    before = len(steps)
    time.sleep(2.0)
    return len(steps) > before


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_files_are_removed_after_the_session(engine: Engine, files: Path) -> None:
    with serve(engine, port=0, lifetime=Lifetime(closed=0.0)) as address:
        other, client = connect(address), connect(address)
        root = server_folder(address)
        for one in (other, client):
            one.predict(**arguments("/pose_transfer", files), api_name="/pose_transfer")
        assert len(list((root / "uploads").iterdir())) == 2  # the same bytes, and yet each has a file of their own
        assert len(list((root / "sessions").iterdir())) == 2
        client.close()
        until(lambda: len(list((root / "sessions").iterdir())) == 1)
        assert len(list((root / "uploads").iterdir())) == 1
        other.predict(**arguments("/pose_transfer", files), api_name="/pose_transfer")
        other.close()
    assert not root.exists()


def server_folder(address: str) -> Path:
    """Where a server keeps its files, as the addresses of its images tell."""
    page = httpx.get(address).text
    found = re.search(r'"path":"([^"]+)/page/', page)
    assert found
    return Path(found[1])


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=%2Fetc%2Fpasswd",
        "gradio_api/file=../../../../etc/passwd",
        "gradio_api/file={root}/../../etc/passwd",
        "gradio_api/file={root}/page/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "gradio_api/file={root}/page/%252e%252e/%252e%252e/%252e%252e/etc/passwd",
        "gradio_api/file=pyproject.toml",
        "gradio_api/file=file:///etc/passwd",
        "gradio_api/file=https://example.com/",
        "gradio_api/file/etc/passwd",
        "gradio_api/proxy=https://example.com/",
        "static/../../../../etc/passwd",
        "assets/..%2f..%2f..%2fetc/passwd",
        "monitoring",
        "gradio_api/deep_link?session_hash=a",
        "gradio_api/vibe-code/",
    ],
)
def test_no_file_of_the_server_can_be_read(address: str, path: str) -> None:
    with httpx.Client(base_url=address) as http:
        answer = http.get(httpx.URL(address + path.format(root=server_folder(address))))
    assert answer.status_code in (400, 403, 404), answer.text[:200]
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("named", ["/etc/passwd", "https://example.com/a.png", "{root}/../../etc/passwd", 3])
def test_requests_cannot_name_files_that_were_not_uploaded(address: str, named: Any) -> None:
    path = named.format(root=server_folder(address)) if isinstance(named, str) else named
    file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
    body = {"data": [file, "last"], "fn_index": 0, "session_hash": "abc"}
    for route in ("queue/join", "run/attention", "call/attention"):
        answer = httpx.post(f"{address}gradio_api/{route}", json=body)
        assert answer.status_code == 400
        assert "uploaded here" in answer.text


def test_the_queue_cannot_be_passed_by(address: str, files: Path) -> None:
    (path,) = httpx.post(
        f"{address}gradio_api/upload", files={"files": ("a.png", (files / "a.png").read_bytes())}
    ).json()
    body = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}, "last"], "session_hash": "abc"}
    for route in ("run", "api"):
        assert httpx.post(f"{address}gradio_api/{route}/attention", json=body).status_code == 404


def test_large_requests_are_refused(address: str) -> None:
    large = b"x" * (2 * 2**20)
    assert httpx.post(f"{address}gradio_api/queue/join", content=large).status_code == 413
    chunks = (large[start : start + 2**16] for start in range(0, len(large), 2**16))
    assert httpx.post(f"{address}gradio_api/queue/join", content=chunks).status_code == 413
    assert httpx.post(f"{address}gradio_api/upload", files={"files": ("a.png", large)}).status_code == 413
    assert httpx.post(f"{address}gradio_api/queue/join", content=b"{").status_code == 400


def test_uploads_of_the_same_bytes_have_paths_of_their_own(address: str) -> None:
    paths = {httpx.post(f"{address}gradio_api/upload", files={"files": ("a.png", b"same")}).json()[0] for _ in range(3)}
    assert len(paths) == 3
    assert all(httpx.get(f"{address}gradio_api/file={path}").content == b"same" for path in paths)


def test_the_page_may_ask_no_other_host(address: str) -> None:
    answer = httpx.get(address)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "fonts.googleapis" not in answer.text
    assert "https://" not in re.sub(
        r"https://raw\.githubusercontent\.com/gradio-app/\S+|https://gradio\.app/?", "", head(answer.text)
    )


def head(page: str) -> str:
    """The page without its data: what the browser may follow."""
    return re.sub(
        r"<script>window\.gradio_config.*?</script>|<script>window\.gradio_api_info.*?</script>", "", page, flags=re.S
    )


def test_a_port_in_use_is_reported(address: str, engine: Engine) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    with pytest.raises(ValueError, match="cannot listen"), serve(engine, port=port):
        pass
    with pytest.raises(ValueError, match="at least 1 place"), serve(engine, port=0, queue_limit=0):
        pass


def test_the_command_serves_until_it_is_stopped(model_folder: Path, tmp_path: Path) -> None:
    command = ("app", "--model", model_folder, "--port", 0, "--device", "cpu")
    with Server(*command, TMPDIR=str(tmp_path), OMP_NUM_THREADS="1") as server:
        assert httpx.get(server.address).status_code == 200
        assert list(tmp_path.glob("cfld-app-*"))
        assert server.stop() == 130
    assert list(tmp_path.glob("cfld-app-*")) == []


def test_the_next_start_removes_what_a_killed_server_left(model_folder: Path, tmp_path: Path) -> None:
    command = ("app", "--model", model_folder, "--port", 0, "--device", "cpu")
    options = {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with Server(*command, **options) as killed:
        upload = {"files": ("photo.png", b"a visitor's photo")}
        (file,) = httpx.post(f"{killed.address}/gradio_api/upload", files=upload).json()
        killed.kill()
    assert Path(file).read_bytes() == b"a visitor's photo"
    with Server(*command, **options) as running:
        assert not Path(file).exists()
        assert len(list(tmp_path.glob("cfld-app-*"))) == 1
        running.stop()
    assert list(tmp_path.glob("cfld-app-*")) == []


def test_only_own_names_and_own_pages_are_answered(engine: Engine) -> None:
    with serve(engine, port=0, allowed_hosts=["cfld.example.org"]) as address:
        for host, status in (("evil.example", 403), ("cfld.example.org", 200), ("localhost", 200)):
            assert httpx.get(address, headers={"host": host}).status_code == status
        for origin, status in (("https://evil.example", 403), (address.rstrip("/"), 200)):
            assert (
                httpx.post(f"{address}gradio_api/cancel", json=CANCEL, headers={"origin": origin}).status_code == status
            )


def test_a_visitor_has_a_share_of_the_queue(engine: Engine, files: Path) -> None:
    limits = replace(engine.limits, requests=3)
    few = Engine(engine._pipe, served=engine.served, limits=limits)
    with serve(few, port=0) as address:
        client = connect(address)
        slow = arguments("/pose_transfer", files) | {"steps": 250}
        jobs = [client.submit(**slow, api_name="/pose_transfer") for _ in range(5)]
        refused = [error for job in jobs if (error := failure(job))]
        assert len(refused) >= 2
        assert all("429" in str(error) for error in refused)
        for job in jobs:
            job.cancel()
        client.close()


def test_masks_have_few_layers(client: Client, files: Path) -> None:
    given = arguments("/style_transfer", files)
    given["mask"]["layers"] *= 9
    with pytest.raises(AppError, match=r"mask\.layers: List should have at most 8 items"):
        client.predict(**given, api_name="/style_transfer")


def test_no_thread_outlives_its_request(client: Client, files: Path) -> None:
    client.predict(**arguments("/pose_transfer", files), api_name="/pose_transfer")
    before = threading.active_count()
    for _ in range(3):
        client.predict(**arguments("/pose_transfer", files), api_name="/pose_transfer")
    assert threading.active_count() <= before + 2
