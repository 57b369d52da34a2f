"""Small studies of drawn blots, the real server in a process of its own, and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from support.commands import Server
from support.programs import postgres_program

METHODS = ("ours", "theirs", "third")
SIZE = (32, 22)


def blot(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """An image of (height, width), unlike those of other seeds."""
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 3, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC)


def save_folders(root: Path, pairs: int = 6, methods: Sequence[str] = METHODS) -> None:
    """`sources/`, `real/`, `poses/`, and a folder for each method, named as `cfld generate` does."""
    for seed in range(pairs):
        for kind, folder in enumerate(("sources", "real", "poses", *methods)):
            stem = {"sources": f"s{seed}", "real": f"t{seed}", "poses": f"t{seed}"}.get(folder, f"s{seed}_to_t{seed}")
            (root / folder).mkdir(parents=True, exist_ok=True)
            blot(1000 * kind + seed).save(root / folder / f"{stem}.{'jpg' if folder == 'real' else 'png'}")


def create_arguments(root: Path, methods: Sequence[str] = METHODS) -> list[str]:
    """For `cfld study create` on the folders of `save_folders`."""
    folders = [f"--{name}={root / name}" for name in ("sources", "real", "poses")]
    return ["study", "create", *folders, *(f"--method={name}={root / name}" for name in methods)]


def make_study(root: Path, *, images: int = 2, comparisons: int = 2, checks: int = 1, **protocol: Any) -> Path:
    """A study's folder, made as the command makes it."""
    from cfld.study.create import Method, create_study
    from cfld.study.definition import Protocol
    from cfld.study.pairs import pairs_of_folders

    save_folders(root, pairs=max(6, 2 * images + comparisons))
    pairs = pairs_of_folders(
        root / "sources", root / "real", root / "poses", root / "ours", "{source}_to_{target}.png", None
    )
    chosen = Protocol(images=images, comparisons=comparisons, checks=checks, **protocol)
    create_study(root / "study", pairs, {m: Method(root / m) for m in METHODS}, chosen, title="Blots")
    return root / "study"


def serve(study: Path, *options: str) -> Server:
    """`cfld study serve` in a process of its own."""
    return Server("study", "serve", "--study", study, "--port", "0", *options)


@contextlib.contextmanager
def serving(study: Path, *options: str) -> Iterator[str]:
    """The address of a server that runs meanwhile."""
    with serve(study, *options) as server:
        yield server.address


def hidden(page: str, name: str) -> str:
    """The value of a form's hidden field; empty if there is none."""
    found = re.search(rf'name="{name}" value="(\w+)"', page)
    return found[1] if found else ""


def image_addresses(page: str) -> list[str]:
    return re.findall(r'(?:src|data-address)="(/image/\w+)"', page)


def begin(client: Any) -> None:
    """Takes part, with an HTTP client of its own."""
    client.post("/start", data={"token": hidden(client.get("/").text, "token")})


def question(client: Any) -> str:
    """The page of the present question; of thanks at the end."""
    return str(client.get("/study?part=2").text)


def answer(client: Any, choice: int | str = 1, page: str | None = None) -> Any:
    """Answers the present question, or that of `page`."""
    page = question(client) if page is None else page
    form = {"token": hidden(page, "token"), "position": hidden(page, "position"), "choice": choice}
    return client.post("/answer", data=form)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database of a server that runs meanwhile; skips where PostgreSQL is not installed."""
    initdb = postgres_program("initdb")
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="cfld-pg-"))
    if user:
        shutil.chown(folder, "postgres")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
    options = ["-D", str(folder / "data")]
    subprocess.run([initdb, *options, "-U", "study", "-A", "trust", "--no-sync"], check=True, **quiet)
    command = [initdb.with_name("postgres"), *options, "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
    process = subprocess.Popen(command, **quiet)
    try:
        _wait_for(port)
        yield f"postgresql://study@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="study", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
