"""Images a second while a joint is dragged in `cfld app`, through a real Chromium.

    python benchmarks/bench_live.py                         # mannequin-turbo, 10 s
    python benchmarks/bench_live.py --model models/student --seconds 30

The server is `cfld app` in a process of its own; Chromium shares the machine with it. Counted are the images that the
page has shown. It needs `pip install 'cfld[app,dev]'` and Chromium (Debian: apt-get install chromium).
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import tyro
from playwright.sync_api import Page, expect, sync_playwright

COUNT = """() => {
    window.shown = [];
    const image = document.querySelector('#transfer-pose-live img');
    new MutationObserver(() => window.shown.push(performance.now())).observe(image, { attributeFilter: ['src'] });
}"""


def main(model: str = "mannequin-turbo", seconds: float = 10.0, options: tuple[str, ...] = ()) -> None:
    """Print images a second, and the pauses between images in milliseconds, as JSON.

    Args:
        model: a model with a student of few steps: bundled, or a folder.
        seconds: duration of the drag.
        options: further options of `cfld app`, such as `--options engine=openvino dtype=bfloat16`.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium found: install it (Debian: apt-get install chromium)")
    with served(model, options) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        place = hold(page, address)
        drag(page, place, 3.0)  # encodes the source, and warms up
        page.evaluate(COUNT)
        took = drag(page, place, seconds)
        shown = page.evaluate("window.shown")
        browser.close()
    pauses = sorted(later - earlier for earlier, later in pairwise(shown))
    figures = {
        "model": model,
        "options": options,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "images a second": round(len(shown) / took, 2),
        "median pause in ms": round(pauses[len(pauses) // 2]) if pauses else None,
        "longest pause in ms": round(pauses[-1]) if pauses else None,
    }
    print(json.dumps(figures, indent=2))


@contextmanager
def served(model: str, options: tuple[str, ...]) -> Iterator[str]:
    """The address of `cfld app` in a process of its own."""
    command = [sys.executable, "-m", "cfld", "app", "--model", model, "--port", "0"]
    command += [word for option in options for word in f"--{option}".split("=")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def hold(page: Page, address: str) -> tuple[float, float]:
    """Opens the page and presses the mouse on the right wrist; its place on the screen."""
    page.set_default_timeout(60_000)
    page.goto(address)
    expect(page.locator("#transfer-source img").first).to_be_visible(timeout=60_000)
    dot = page.locator("#transfer-pose").get_by_role("slider", name="right wrist", exact=True).locator(".dot")
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    return x, y


def drag(page: Page, place: tuple[float, float], seconds: float) -> float:
    """Moves the mouse in circles, once in three seconds; returns the seconds that it took."""
    (x, y), start = place, time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        page.mouse.move(x - 40 * math.sin(2 * elapsed), y - 60 + 60 * math.cos(2 * elapsed))
        page.wait_for_timeout(16)
    return elapsed


if __name__ == "__main__":
    tyro.cli(main)
