"""Records docs/app/live.webp with a real Chromium: a joint is dragged, and the person follows.

python examples/record_live.py
python examples/record_live.py --model models/student --frames 60

The page is recorded after each image that it shows, and played at ten images a second, however long each took:
`benchmarks/bench_live.py` measures that. It needs `pip install 'cfld[app,dev]'` and Chromium; a minute on two cores.
"""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path

import tyro
from app_screenshots import PATIENCE, box, joint, opened, served
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from tqdm import trange

MILLISECONDS = 100
"""Of each image."""
WIDTH = 640
"""In pixels."""


def main(model: str = "mannequin-turbo", out: Path = Path("docs/app/live.webp"), frames: int = 36) -> None:
    """Write an animated WebP of one turn of the right wrist.

    Args:
        model: a model with a student of few steps: bundled, or a folder.
        out: the file to write.
        frames: number of images.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium found: install it (Debian: apt-get install chromium)")
    with served(model) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = opened(browser, address)
        expect(page.locator("#transfer-source img").first).to_be_visible(timeout=PATIENCE)
        images = recorded(page, frames)
        browser.close()
    out.parent.mkdir(parents=True, exist_ok=True)
    first, *others = images
    first.save(out, save_all=True, append_images=others, duration=MILLISECONDS, loop=0, quality=70, method=2)
    print(f"{out}: {len(images)} images, {out.stat().st_size / 1e6:.2f} MB")


def recorded(page: Page, frames: int) -> list[Image.Image]:
    """The skeleton and the person beside it, at each of so many places on a circle."""
    left, top, width, height = box(joint(page, "right wrist").locator(".dot"))
    x, y = left + width / 2, top + height / 2
    page.mouse.move(x, y)
    page.mouse.down()
    dragged_to(page, x + 1, y)
    dragged_to(page, x, y)
    images = []
    for frame in trange(frames):
        angle = 2 * math.pi * frame / frames
        dragged_to(page, x - 40 * math.sin(angle) - 0.5, y - 60 + 60 * math.cos(angle))
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").crop(area(page))
        images.append(image.resize((WIDTH, WIDTH * image.height // image.width)))
    page.mouse.up()
    return images


def dragged_to(page: Page, x: float, y: float) -> None:
    """Moves the mouse, and waits until the page shows the next image."""
    view = page.locator("#transfer-pose-live img")
    before = view.get_attribute("src")
    page.mouse.move(x, y)
    page.wait_for_function(
        """(before) => {
            const image = document.querySelector("#transfer-pose-live img");
            return image.src && image.src !== before && image.complete && !image.hidden;
        }""",
        arg=before,
        timeout=PATIENCE,
    )


def area(page: Page) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of skeleton and person on the screen."""
    boxes = [page.locator(where).bounding_box() for where in ("#transfer-pose svg", "#transfer-pose-live")]
    found = [one for one in boxes if one]
    left, top = min(one["x"] for one in found), min(one["y"] for one in found)
    right = max(one["x"] + one["width"] for one in found)
    return round(left), round(top), round(right), round(max(one["y"] + one["height"] for one in found))


if __name__ == "__main__":
    tyro.cli(main)
