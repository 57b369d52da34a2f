"""Renews the screenshots of docs/app.md with a real Chromium.

python examples/app_screenshots.py
python examples/app_screenshots.py --model models/cfld --out outputs/app

It needs `pip install 'cfld[app,dev]'` and Chromium (Debian: apt-get install chromium); two minutes on two cores.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from tqdm import tqdm

from cfld.app.mannequins import mannequin_image

PATIENCE = 600_000
"""Timeout for one image in milliseconds."""
WIDTH = 1000
"""Width of the screenshots in pixels."""
ME, JACKET, DRESS, SHORTS = 5, 21, 12, 30
"""Seeds of the people shown."""

Files = dict[int, Path]


def main(model: str = "mannequin", out: Path = Path("docs/app")) -> None:
    """Write one JPEG for each of `SCENES`.

    Args:
        model: the bundled model, a model folder, or a hub id.
        out: the folder to write to.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no Chromium found: install it (Debian: apt-get install chromium)")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, served(model) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        files = {seed: Path(folder, f"p{seed}.png") for seed in (ME, JACKET, DRESS, SHORTS)}
        for seed, file in files.items():
            mannequin_image(seed).save(file)
        for name, scene in tqdm(SCENES.items()):
            image = scene(browser, address, files)
            for context in browser.contexts:
                context.close()
            image.resize((WIDTH, WIDTH * image.height // image.width)).save(out / f"{name}.jpg", quality=82)


@contextmanager
def served(model: str) -> Iterator[str]:
    """Runs `cfld app` in a process of its own; yields its address."""
    command = [sys.executable, "-m", "cfld", "app", "--model", model, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


# ---- scenes: a visitor's actions, and a screenshot afterwards


def pose_transfer(browser: Browser, address: str, files: Files) -> Image.Image:
    """An arm is dragged upwards."""
    page = opened(browser, address)
    upload(page, "transfer-source", files[ME])
    drag(page, "right wrist", -45, -125)
    drag(page, "right elbow", -10, -25)
    generate(page, "transfer")
    return screen(page)


def style_transfer(browser: Browser, address: str, files: Files) -> Image.Image:
    """A mask is painted over the reference's clothes."""
    page = opened(browser, address, "Style transfer")
    upload(page, "style-reference", files[ME])
    upload(page, "style-source", files[JACKET])
    canvas = page.locator("#style-mask canvas").first
    expect(canvas).to_be_visible()
    left, top, width, height = box(canvas)
    for share in (0.36, 0.39, 0.42, 0.45, 0.48):
        stroke(page, (left + 0.36 * width, top + share * height), 0.21 * width, 0)
    generate(page, "style")
    return screen(page, results=False)


def interpolation(browser: Browser, address: str, files: Files) -> Image.Image:
    """Three sources and a strip of five images."""
    page = opened(browser, address, "Interpolation")
    for number, seed in enumerate((ME, JACKET, DRESS), start=1):
        upload(page, f"interpolation-source-{number}", files[seed])
    generate(page, "interpolation")
    return screen(page, results=False)


def attention(browser: Browser, address: str, files: Files) -> Image.Image:
    """The attention maps of one source."""
    page = opened(browser, address, "Attention")
    upload(page, "attention-source", files[ME])
    generate(page, "attention")
    return screen(page, results=False)


def dark(browser: Browser, address: str, files: Files) -> Image.Image:
    """In dark mode, a pose detected in an image is retargeted to the source's body."""
    page = opened(browser, address + "?__theme=dark")
    for accordion in ("transfer-source-examples-accordion", "transfer-sampling"):
        page.locator(f"#{accordion} button").first.click()
    upload(page, "transfer-source", files[DRESS])
    page.locator("#transfer-pose-file input[type=file]").set_input_files(files[SHORTS])
    expect(page.locator("#transfer-pose .backdrop")).to_be_visible()
    page.locator("#transfer-retarget input").check()
    generate(page, "transfer")
    expect(page.locator("#transfer-retargeting img")).to_be_visible()
    return screen(page)


def telephone(browser: Browser, address: str, files: Files) -> Image.Image:
    """Three screens side by side: the skeleton, the result, the mask."""
    page = opened(browser, address, viewport={"width": 390, "height": 725}, is_mobile=True, has_touch=True)
    upload(page, "transfer-source", files[ME])
    page.locator("#transfer-poses .thumbnail-item").nth(3).tap()
    screens = [scrolled_to(page, "transfer-pose")]
    generate(page, "transfer")
    screens.append(scrolled_to(page, "transfer-generate"))
    page.get_by_role("tab", name="Style transfer").tap()
    upload(page, "style-reference", files[ME])
    expect(page.locator("#style-mask canvas").first).to_be_visible()
    screens.append(scrolled_to(page, "style-mask"))
    width, height = screens[0].size
    sheet = Image.new("RGB", (len(screens) * width, height))
    for column, image in enumerate(screens):
        sheet.paste(image, (column * width, 0))
    return sheet


Scene = Callable[[Browser, str, Files], Image.Image]
SCENES: dict[str, Scene] = {
    scene.__name__: scene for scene in (pose_transfer, style_transfer, interpolation, attention, dark, telephone)
}


# ---- actions on a page


def opened(browser: Browser, address: str, tab: str = "Pose transfer", **options: Any) -> Page:
    """Opens the page at a tab as a new visitor; options are those of Playwright's `new_context`."""
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    expect(joint(page, "nose")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#transfer-source img")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("tab", name=tab).click()
    return page


def upload(page: Page, elem_id: str, file: Path) -> None:
    if (remove := page.locator(f"#{elem_id}").get_by_label("Remove Image")).count():
        remove.click()  # the example of a first visit
    page.locator(f"#{elem_id} input[type=file]").set_input_files(file)
    expect(page.locator(f"#{elem_id} img").first).to_be_visible(timeout=PATIENCE)


def generate(page: Page, tab: str) -> None:
    page.locator(f"#{tab}-generate").click()
    expect(page.locator(f"#{tab}-status")).to_contain_text("Done in", timeout=PATIENCE)
    expect(page.locator("#results-gallery .thumbnail-item")).to_have_count(1, timeout=PATIENCE)


def joint(page: Page, name: str) -> Locator:
    """A joint of the skeleton in the tab *Pose transfer*."""
    return page.locator("#transfer-pose").get_by_role("slider", name=name, exact=True)


def box(where: Locator) -> tuple[float, float, float, float]:
    """(left, top, width, height) on the screen, after scrolling there."""
    where.scroll_into_view_if_needed()
    found = where.bounding_box()
    assert found
    return found["x"], found["y"], found["width"], found["height"]


def stroke(page: Page, start: tuple[float, float], right: float, down: float) -> None:
    """Moves the pressed mouse by this many pixels of the screen."""
    x, y = start
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=8)
    page.mouse.up()


def drag(page: Page, name: str, right: float, down: float) -> None:
    """Drags a joint of the skeleton by this many pixels of the screen."""
    left, top, width, height = box(joint(page, name).locator(".dot"))
    stroke(page, (left + width / 2, top + height / 2), right, down)


def screen(page: Page, results: bool = True) -> Image.Image:
    """The whole page, or the part above the gallery of results."""
    page.wait_for_timeout(1000)  # until animations have ended
    image = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    bottom = page.locator("#results-title").evaluate("(node) => node.getBoundingClientRect().top + scrollY")
    return image if results else image.crop((0, 0, image.width, round(bottom)))


def scrolled_to(page: Page, elem_id: str) -> Image.Image:
    """The screen, scrolled to an element."""
    page.locator(f"#{elem_id}").evaluate("(node) => node.scrollIntoView()")
    page.wait_for_timeout(1000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    tyro.cli(main)
