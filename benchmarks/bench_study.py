"""Load test of the user study over HTTP: answers per second, response times, and whether every answer is stored.

    python benchmarks/bench_study.py                                          # 200 participants; about 3 minutes
    python benchmarks/bench_study.py --database postgresql://USER@HOST/NAME   # an empty database

The server is `cfld study serve` in its own process; the participants are coroutines of this one. Each keeps a
connection, loads every page and every image as a browser does, and answers without pause. Afterwards the database must
hold every acknowledged answer exactly once, as it was given. The figures are written to `benchmarks/results/` as JSON;
`load_before` is the machine's load average in the minute before. The server's CPU time per answer, which includes its
start and all requests that belong to an answer, hardly depends on that load.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image

from cfld.study.create import Method, create_study
from cfld.study.database import Database
from cfld.study.definition import Protocol, Study, load_study
from cfld.study.pairs import PairImages
from cfld.study.plan import plan

RESULTS = Path(__file__).parent / "results" / "study.json"
SIZE = (256, 176)
METHODS = ("first", "second", "third")


@dataclass
class Load:
    """What the participants measured.

    Attributes:
        waits: response times in seconds, by kind of request.
        picked: the acknowledged choices of each participant, in order.
        refused: status codes of failed requests.
    """

    waits: dict[str, list[float]] = field(default_factory=lambda: {"answer": [], "page": [], "image": []})
    picked: dict[int, list[int]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)


def make_study(folder: Path, protocol: Protocol) -> Study:
    """A study of noise images, whose files are larger than those of photographs."""
    rng = np.random.default_rng(0)

    def noise(_: str) -> Image.Image:
        coarse = rng.integers(0, 256, (64, 44, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((SIZE[1], SIZE[0]), Image.Resampling.BICUBIC)

    pairs = [(f"s{i}.png", f"t{i}.png") for i in range(2 * protocol.images + protocol.comparisons)]
    for name in METHODS:
        (folder / name).mkdir()
        for source, target in pairs:
            noise(name).save(folder / name / f"{Path(source).stem}_to_{Path(target).stem}.png")
    images = PairImages(pairs=pairs, usable=pairs, source=noise, truth=noise, pose=noise, size=SIZE)
    methods = {name: Method(folder / name) for name in METHODS}
    create_study(folder / "study", images, methods, protocol, title="load")
    return load_study(folder / "study")


@contextlib.contextmanager
def server(study: Path, database: str) -> Iterator[str]:
    """Runs `cfld study serve` without effective rate limits; yields its address."""
    limits = ["--requests", "1000000000", "--starts", "1000000"]
    command = [sys.executable, "-m", "cfld", "study", "serve", "--study", str(study), "--database", database]
    process = subprocess.Popen([*command, "--port", "0", *limits], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield re.findall(r"http://\S+?:\d+", process.stdout.readline())[0]
    finally:
        process.terminate()
        process.wait()


async def take_part(address: str, index: int, load: Load) -> None:
    """One participant, from the first page to the last."""
    rng = random.Random(index)
    async with httpx2.AsyncClient(base_url=address, timeout=120, verify=False) as client:  # plain HTTP: no certificates
        page = await timed(client, load, "page", "GET", "/")
        await client.post("/start", data={"token": hidden(page, "token")})
        mine = load.picked[index] = []
        while position := hidden(page := await timed(client, load, "page", "GET", "/study?part=2"), "position"):
            for image in re.findall(r'src="(/image/\w+)"', page):
                await timed(client, load, "image", "GET", image)
            choice = rng.choice(re.findall(r'name="choice" value="(\d)"', page))
            form = {"token": hidden(page, "token"), "position": position, "choice": choice}
            await timed(client, load, "answer", "POST", "/answer", form)
            mine.append(int(choice))


async def timed(
    client: httpx2.AsyncClient, load: Load, kind: str, method: str, path: str, form: dict[str, str] | None = None
) -> str:
    """Sends a request and records its response time; returns the text of pages."""
    begin = time.perf_counter()
    response = await client.request(method, path, data=form)
    load.waits[kind].append(time.perf_counter() - begin)
    if response.status_code != (303 if kind == "answer" else 200):
        load.refused.append(response.status_code)
    return response.text if kind == "page" else ""


def hidden(page: str, name: str) -> str:
    """The value of a form's hidden field; empty if there is none."""
    found = re.search(rf'name="{name}" value="(\w+)"', page)
    return found[1] if found else ""


async def take_part_at_once(address: str, participants: int) -> Load:
    load = Load()
    await asyncio.gather(*(take_part(address, index, load) for index in range(participants)))
    return load


def stored_choices(study: Study, url: str) -> list[list[int]]:
    """The stored choices of every participant, in order."""
    database = Database(url, study.fingerprint())
    choices: dict[int, list[int]] = {}
    for row in database.answers():
        mine = choices.setdefault(row["number"], [])
        assert row["position"] == len(mine)
        picks = plan(study, row["number"])[row["position"]].picks
        mine.append(picks.index(row["pick"]) + 1 if len(set(picks)) == len(picks) else 0)
    database.close()
    return list(choices.values())


def milliseconds(waits: list[float]) -> dict[str, float]:
    return {f"p{p}": round(1000 * float(np.percentile(waits, p)), 1) for p in (50, 95, 99, 100)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--comparisons", type=int, default=10)
    parser.add_argument("--database", help="default: SQLite in a temporary folder")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    load_before = round(os.getloadavg()[0], 1)
    protocol = Protocol(images=given.images, comparisons=given.comparisons, checks=0)
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), protocol)
        database = given.database or f"sqlite:///{folder}/answers.sqlite"
        with server(Path(folder) / "study", database) as address:
            begin = time.perf_counter()
            load = asyncio.run(take_part_at_once(address, given.participants))
            seconds = time.perf_counter() - begin
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        server_cpu = usage.ru_utime + usage.ru_stime
        stored = stored_choices(study, database)
    acknowledged = sum(map(len, load.picked.values()))
    results = {
        "hardware": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_before": load_before,
        "database": given.database.partition(":")[0] if given.database else "sqlite",
        "participants": given.participants,
        "acknowledged": acknowledged,
        "lost_or_changed": acknowledged - sum(map(len, stored))
        if sorted(stored) == sorted(load.picked.values())
        else -1,
        "refused": len(load.refused),
        "seconds": round(seconds, 1),
        "answers_per_second": round(acknowledged / seconds, 1),
        "requests_per_second": round(sum(map(len, load.waits.values())) / seconds, 1),
        "server_cpu_milliseconds_per_answer": round(1000 * server_cpu / acknowledged, 1),
        "milliseconds": {kind: milliseconds(waits) for kind, waits in load.waits.items()},
    }
    print(json.dumps(results, indent=2))
    given.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
