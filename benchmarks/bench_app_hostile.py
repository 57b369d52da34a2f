"""Peak memory of `cfld app` under hostile clients.

    python benchmarks/bench_app_hostile.py                              # 32 clients for two minutes

The server is `cfld app` in its own process; its peak memory is VmHWM of /proc/PID/status. Each client has a network
address of its own (127.0.0.2 and following), and sends without pause, and without reading results: images of 30
megapixels to be checked, searched for a pose, masked with thousands of layers and interpolated; JSON bodies of many
values, levels and megabytes; uploads of 20 MB, of 1000 files and of form fields; keypoint files of nothing but
brackets; requests of ever new sessions; and requests whose responses it does not read. Afterwards, a friendly visitor
must be served. The figures are written to `benchmarks/results/` as JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx2
from PIL import Image

from cfld.app.joint_editor import to_value
from cfld.app.mannequins import mannequin_image, mannequin_pose

RESULTS = Path(__file__).parent / "results" / "app_hostile.json"
POSE = to_value(mannequin_pose(7))
SAMPLING = [250, 2.0, 2.0, "ddim", 0]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@dataclass
class Client:
    """A hostile client; `statuses` counts the responses to each of its attacks."""

    address: str
    number: int
    huge: bytes
    end: float
    statuses: Counter[str] = field(default_factory=Counter)
    open_sockets: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.local = f"127.0.0.{self.number + 2}"
        transport = httpx2.HTTPTransport(local_address=self.local)
        hooks = {"request": [self._check_time]}
        self.http = httpx2.Client(base_url=self.address, transport=transport, timeout=20, event_hooks=hooks)

    def _check_time(self, _: httpx2.Request) -> None:
        if time.monotonic() > self.end:
            raise TimeoutError

    def run(self) -> None:
        rng = random.Random(self.number)
        attacks: list[Callable[[], int]] = [
            *(self.layers, self.checks, self.poses, self.transfers, self.interpolations),
            *(self.bodies, self.values, self.levels, self.uploads, self.files, self.fields, self.brackets),
            *(self.sessions, self.data_url, self.unread),
        ]
        while time.monotonic() < self.end:
            attack = rng.choice(attacks)
            try:
                status: Any = attack()
            except (httpx2.HTTPError, OSError, IndexError, ValueError) as error:
                status = type(error).__name__
            self.statuses[f"{attack.__name__} {status}"] += 1

    def call(self, function: str, *data: Any) -> int:
        return self.http.post(f"/gradio_api/call/{function}", json={"data": data}).status_code

    def upload(self, content: bytes, name: str = "a.png") -> dict[str, Any]:
        (path,) = self.http.post("/gradio_api/upload", files={"files": (name, content)}).json()
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def layers(self) -> int:
        image = self.upload(self.huge)
        mask = {"background": None, "layers": [image] * 6000, "composite": None}
        few = mask | {"layers": mask["layers"][:8]}
        self.call("style_transfer", image, mask, image, False, POSE, 0, True, *SAMPLING)
        return self.call("style_transfer", image, few, image, False, POSE, 0, True, *SAMPLING)

    def checks(self) -> int:
        image = self.upload(self.huge)
        return [self.call("check_image", image) for _ in range(10)][-1]

    def poses(self) -> int:
        image = self.upload(self.huge)
        return [self.call("read_pose", image) for _ in range(10)][-1]

    def transfers(self) -> int:
        return self.call("pose_transfer", self.upload(self.huge), POSE, "letterbox", True, *SAMPLING)

    def interpolations(self) -> int:
        one, *others = (self.upload(self.huge) for _ in range(4))
        return self.call("interpolation", one, others[0], 1, 1, 1, 1, POSE, "strip", 16, *SAMPLING, *others[1:])

    def bodies(self) -> int:
        return self.http.post("/gradio_api/queue/join", content=b" " * 2**20).status_code

    def values(self) -> int:
        content = b'{"session_hash":"a","fn_index":0,"data":[' + b"{}," * 20_000 + b"0]}"
        return self.http.post("/gradio_api/queue/join", content=content).status_code

    def levels(self) -> int:
        return self.http.post("/gradio_api/queue/join", content=b"[" * 900 + b"]" * 900).status_code

    def uploads(self) -> int:
        return self.http.post("/gradio_api/upload", files={"files": ("a", os.urandom(20 * 2**20))}).status_code

    def files(self) -> int:
        return self.http.post("/gradio_api/upload", files=[("files", ("a", b"x" * 9000))] * 1000).status_code

    def fields(self) -> int:
        return self.http.post("/gradio_api/upload", files={"files": (None, b"x" * 19 * 2**20)}).status_code

    def brackets(self) -> int:
        small, large = self.upload(b"[" + b"[]," * 87_000 + b"0]", "a.json"), self.upload(b"[" * 2**24, "b.json")
        return [self.call("read_pose", file) for file in (small, large) for _ in range(5)][-1]

    def sessions(self) -> int:
        body = {"data": [None], "fn_index": 0}
        join = "/gradio_api/queue/join"
        return [self.http.post(join, json=body | {"session_hash": secrets.token_hex(8)}) for _ in range(20)][
            -1
        ].status_code

    def data_url(self) -> int:
        url = "data:image/png;base64," + "A" * 40_000
        return self.call("check_image", {"path": None, "url": url, "meta": {"_type": "gradio.FileData"}})

    def unread(self) -> int:
        """Asks for the page on connections that are never read; the oldest are closed."""
        parts = urlsplit(self.address)
        for _ in range(10):
            connection = socket.create_connection(
                (parts.hostname, parts.port), source_address=(self.local, 0), timeout=9
            )
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            self.open_sockets.append(connection)
        while len(self.open_sockets) > 20:
            self.open_sockets.pop(0).close()
        return 0


@contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """Runs `cfld app`; yields its address and process id."""
    command = [sys.executable, "-m", "cfld", "app", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield re.findall(r"http://\S+?:\d+", process.stdout.readline())[0], process.pid
    finally:
        process.terminate()
        process.wait()


def megabytes(pid: int, name: str) -> float:
    """A line of /proc/PID/status."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024, 1)


def serves_a_friendly_visitor(address: str, patience: float = 180.0) -> bool:
    """Whether an upload is accepted and checked, while or soon after the others are served."""
    end = time.monotonic() + patience
    with httpx2.Client(base_url=address, timeout=60) as http:
        while time.monotonic() < end:
            upload = http.post("/gradio_api/upload", files={"files": ("me.png", png(mannequin_image(5)))})
            if upload.status_code == 200:
                file = {"path": upload.json()[0], "meta": {"_type": "gradio.FileData"}}
                joined = http.post("/gradio_api/call/check_image", json={"data": [file]})
                if joined.status_code == 200:
                    event = joined.json()["event_id"]
                    if "event: complete" in http.get(f"/gradio_api/call/check_image/{event}").text:
                        return True
            time.sleep(2)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    huge = png(Image.new("RGBA", (5000, 6000), (200, 0, 0, 128)))
    with server() as (address, pid):
        idle, end = megabytes(pid, "VmRSS"), time.monotonic() + given.seconds
        clients = [Client(address, number, huge, end) for number in range(given.clients)]
        threads = [Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peak = megabytes(pid, "VmHWM")
        for client in clients:
            for connection in client.open_sockets:
                connection.close()
        friendly = serves_a_friendly_visitor(address)
        statuses = sum((client.statuses for client in clients), Counter[str]())
        results = {
            "clients": given.clients,
            "seconds": given.seconds,
            "requests": statuses.total(),
            "idle_megabytes": idle,
            "peak_megabytes": max(peak, megabytes(pid, "VmHWM")),
            "serves_a_friendly_visitor_afterwards": friendly,
            "responses": dict(sorted(statuses.items())),
        }
    print(json.dumps(results, indent=2))
    given.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
