"""A real Chromium goes through each tab of `cfld app`, with the bundled model and few steps."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from cfld.app.controls import EXAMPLES, POSES
from cfld.app.mannequins import mannequin_image, mannequin_pose
from cfld.downloads import CONVERT, DOWNLOAD
from cfld.poses.formats import load_keypoints
from cfld.poses.keypoints import Keypoints, save_keypoints
from cfld.poses.skeleton import JOINTS
from support.commands import Server

PATIENCE = 60_000
"""Milliseconds; machines that test may be busy."""
TABS = ("Pose transfer", "Style transfer", "Interpolation", "Attention")
STEPS = 4
WRIST = JOINTS.index("right_wrist")

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of `cfld app` in a process of its own."""
    with Server("app", "--port", 0) as server:
        yield server.address


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Opens the page as a new visitor; in the end nothing in it went wrong, and it asked no other host."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith((address, "data:", f"blob:{address}")):
            complaints.append(request.url)

    def new(query: str = "", **options: Any) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options))
        contexts[-1].on("request", note_request)
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.goto(address + query)
        expect(joint(page, "transfer", "nose")).to_be_visible(timeout=PATIENCE)
        taken(page, "transfer-source")
        return page

    yield new
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def figures(tmp_path: Path) -> list[Path]:
    """Images of two mannequins."""
    files = [tmp_path / "me.png", tmp_path / "other.png"]
    for seed, file in zip((5, 21), files, strict=True):
        mannequin_image(seed).save(file)
    return files


def joint(page: Page, tab: str, name: str) -> Locator:
    return page.locator(f"#{tab}-pose").get_by_role("slider", name=name, exact=True)


def clear(page: Page, elem_id: str) -> None:
    """An image field, unless it is empty."""
    if (button := page.locator(f"#{elem_id}").get_by_label("Remove Image")).count():
        button.click()
        expect(page.locator(f"#{elem_id} img")).to_have_count(0)


def upload(page: Page, elem_id: str, file: Path) -> None:
    clear(page, elem_id)
    page.locator(f"#{elem_id} input[type=file]").set_input_files(file)


def taken(page: Page, elem_id: str) -> Locator:
    """The image that a field shows."""
    image = page.locator(f"#{elem_id} img").first
    expect(image).to_be_visible(timeout=PATIENCE)
    return image


def set_steps(page: Page, tab: str, steps: int) -> None:
    page.locator(f"#{tab}-sampling button").first.click()
    set_number(page, f"{tab}-steps", steps)


def set_number(page: Page, elem_id: str, value: int) -> None:
    """Types into a slider's box, again where Gradio has just built it and puts its own value back."""
    slider = page.locator(f"#{elem_id} input[type=range]")
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        box = page.locator(f"#{elem_id} input[type=number]")
        box.fill(str(value))
        box.blur()
        page.wait_for_timeout(200)
        if slider.input_value() == box.input_value() == str(value) or time.monotonic() > deadline:
            break
    expect(slider).to_have_value(str(value))


def generate(page: Page, tab: str, results: int = 1) -> NDArray[np.uint8]:
    """Presses *Generate*; the downloaded image, the newest of `results` in the gallery. uint8 (H, W, 3)."""
    page.locator(f"#{tab}-generate").click()
    expect(page.locator(f"#{tab}-status")).to_have_text(re.compile(r"Done in [\d.]+ s\."), timeout=PATIENCE)
    expect(page.locator("#results-gallery .thumbnail-item")).to_have_count(results, timeout=PATIENCE)
    expect(page.locator("#results-gallery .thumbnail-item").first).to_contain_text(f"{results}:", timeout=PATIENCE)
    return pixels(download(page, "image"))


def download(page: Page, what: str) -> Path:
    button = page.locator(f"#results-download-{what}")
    expect(button).to_be_enabled(timeout=PATIENCE)
    with page.expect_download() as coming:
        button.click()
    return Path(coming.value.path())


def settings(page: Page) -> dict[str, Any]:
    """As downloaded."""
    content: dict[str, Any] = json.loads(download(page, "settings").read_text())
    return content


def target_pose(page: Page, folder: Path) -> Keypoints:
    """The target pose of the newest result, from its archive."""
    with zipfile.ZipFile(download(page, "archive")) as archive:
        return load_keypoints(archive.extract("pose.json", folder))


def pixels(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def drag(page: Page, start: Locator, right: float, down: float) -> None:
    """By pixels of the screen."""
    start.scroll_into_view_if_needed()
    box = start.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=8)
    page.mouse.up()


def test_pose_transfer_follows_a_dragged_joint(open_page: OpenPage, figures: list[Path], tmp_path: Path) -> None:
    page = open_page()
    upload(page, "transfer-source", figures[0])
    taken(page, "transfer-source")
    set_steps(page, "transfer", STEPS)
    before = generate(page, "transfer")
    assert before.shape == (192, 132, 3)
    assert taken(page, "transfer-result").evaluate("(image) => image.naturalHeight") == 192
    assert np.allclose(target_pose(page, tmp_path).yx, mannequin_pose(POSES[0]).yx, atol=0.01)

    scale = page.locator("#transfer-pose svg").evaluate("(svg) => svg.getScreenCTM().a")
    drag(page, joint(page, "transfer", "right wrist").locator(".dot"), -40, -90)
    after = generate(page, "transfer", results=2)
    moved = target_pose(page, tmp_path).yx - mannequin_pose(POSES[0]).yx
    assert moved[WRIST] == pytest.approx([-90 / scale, -40 / scale], abs=0.02)
    assert np.abs(np.delete(moved, WRIST, axis=0)).max() < 0.01
    assert (np.abs(before.astype(int) - after) > 30).any(axis=2).sum() > 200, "the arm has moved"


def test_the_first_visit_finds_an_example_from_which_generate_works(open_page: OpenPage) -> None:
    page = open_page()
    assert taken(page, "transfer-result").evaluate("(image) => image.naturalHeight") == 192
    expect(page.locator("#transfer-status")).to_contain_text("An example: this person in this pose.")
    set_steps(page, "transfer", STEPS)
    generate(page, "transfer")
    assert settings(page)["source"] == f"mannequin{EXAMPLES[0]}.png"


def test_a_photograph_by_webcam_and_what_the_bundled_model_lacks(open_page: OpenPage) -> None:
    page = open_page()
    source, note = page.locator("#transfer-source"), page.locator("#transfer-source-note")
    clear(page, "transfer-source")
    source.get_by_label("Capture from camera").click()
    source.get_by_title("grant webcam access").get_by_role("button").first.click()
    page.wait_for_function("document.querySelector('#transfer-source video')?.videoWidth > 0")  # the camera is on
    source.get_by_title("capture photo").click()
    expect(note).to_contain_text("does not look like a mannequin", timeout=PATIENCE)
    expect(note.locator("li")).to_have_text([DOWNLOAD, CONVERT])
    assert note.inner_text().startswith("This does not"), "nothing is transparent"
    taken(page, "transfer-source")
    source.get_by_label("Remove Image").click()
    expect(note).to_have_text("", timeout=PATIENCE)


def test_downloads_and_the_gallery_of_results(open_page: OpenPage, figures: list[Path]) -> None:
    page = open_page()
    expect(page.locator("#results-download-image")).to_be_disabled()
    upload(page, "transfer-source", figures[0])
    taken(page, "transfer-source")
    set_steps(page, "transfer", STEPS)
    first = generate(page, "transfer")
    shown = settings(page)
    assert shown["sampling"]["steps"] == STEPS
    assert shown["source"] == "me.png"
    command = page.locator("#results-command textarea")
    expect(command).to_have_value(shown["command"])
    assert shown["command"].startswith("cfld generate --source me.png --target-pose pose.json --steps 4")

    seed = page.locator("#transfer-seed input")
    seed.fill("7")
    seed.blur()
    second = generate(page, "transfer", results=2)
    assert not np.array_equal(first, second)
    expect(command).to_have_value(re.compile("--seed 7"))
    with zipfile.ZipFile(download(page, "archive")) as archive:
        assert {"me.png", "pose.json"} <= set(archive.namelist())
    page.locator("#results-gallery .thumbnail-item").last.click()
    expect(command).to_have_value(shown["command"])
    assert np.array_equal(pixels(download(page, "image")), first), "the older result is still there"


def test_cancel_and_again(open_page: OpenPage, figures: list[Path]) -> None:
    page = open_page()
    upload(page, "transfer-source", figures[0])
    taken(page, "transfer-source")
    set_steps(page, "transfer", 250)
    page.locator("#transfer-generate").click()
    status = page.locator("#transfer-status")
    expect(status).to_contain_text(re.compile(r"Step \d+ of 250"), timeout=PATIENCE)
    expect(status.locator("progress")).to_be_visible()
    page.locator("#transfer-cancel").click()
    expect(status).to_have_text("Cancelled.", timeout=PATIENCE)
    set_number(page, "transfer-steps", STEPS)
    generate(page, "transfer")


def shown_pose(page: Page, tab: str) -> list[str]:
    """Where each joint is, as the page says it; also of those that are missing."""
    places: list[str] = page.locator(f"#{tab}-pose .joint").evaluate_all("(all) => all.map((one) => one.ariaValueText)")
    return places


def expect_another_pose(page: Page, tab: str, before: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while shown_pose(page, tab) == before and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert shown_pose(page, tab) != before


def expect_pose(page: Page, tab: str, pose: Keypoints) -> None:
    for name in ("left_wrist", "right_ankle"):
        y, x = pose.yx[JOINTS.index(name)]
        expected = re.compile(f"row ({y - 0.51:.0f}|{y + 0.51:.0f}), column ({x - 0.51:.0f}|{x + 0.51:.0f})")
        expect(joint(page, tab, name.replace("_", " "))).to_have_attribute("aria-valuetext", expected, timeout=PATIENCE)


def test_poses_from_gallery_chance_image_and_file(open_page: OpenPage, tmp_path: Path, figures: list[Path]) -> None:
    page = open_page()
    expect_pose(page, "transfer", mannequin_pose(POSES[0]))
    page.locator("#transfer-poses .thumbnail-item").nth(3).click()
    expect_pose(page, "transfer", mannequin_pose(POSES[3]))
    before = shown_pose(page, "transfer")
    page.locator("#transfer-pose-random").click()
    expect_another_pose(page, "transfer", before)

    pose = mannequin_pose(1234)
    save_keypoints(pose, tmp_path / "mine.json")
    upload(page, "transfer-pose-file", tmp_path / "mine.json")
    expect_pose(page, "transfer", pose)
    note = page.locator("#transfer-pose-note")
    expect(note).to_have_text(f"{int(pose.visible.sum())} of 18 joints found.")
    expect(page.locator("#transfer-pose .backdrop")).to_be_hidden()

    read = shown_pose(page, "transfer")
    page.locator("#transfer-pose-file").get_by_label("Clear").click()
    upload(page, "transfer-pose-file", figures[1])
    expect(page.locator("#transfer-pose .backdrop")).to_be_visible(timeout=PATIENCE)
    expect_another_pose(page, "transfer", read)


def test_a_random_mannequin_and_an_example(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#transfer-source-examples-accordion button").first.click()
    page.locator("#transfer-source-random").click()
    first = taken(page, "transfer-source").get_attribute("src")
    assert re.search(r"mannequin\d+\.png$", first or "")
    page.locator("#transfer-source-examples .thumbnail-item").nth(1).click()
    expect(page.locator("#transfer-source img").first).to_have_attribute("src", re.compile("mannequin8.png$"))
    set_steps(page, "transfer", STEPS)
    generate(page, "transfer")
    assert settings(page)["source"] == "mannequin8.png"


def paint(page: Page, share: tuple[float, float], right: float) -> None:
    """A stroke on the mask's canvas, from this share of its (width, height) on."""
    canvas = page.locator("#style-mask canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y, steps=3)
    page.mouse.up()


def test_style_transfer_under_a_painted_mask(open_page: OpenPage, figures: list[Path], tmp_path: Path) -> None:
    page = open_page()
    page.get_by_role("tab", name="Style transfer").click()
    upload(page, "style-reference", figures[0])
    upload(page, "style-source", figures[1])
    taken(page, "style-reference")
    taken(page, "style-source")
    expect(page.locator("#style-mask canvas").first).to_be_visible(timeout=PATIENCE)
    set_steps(page, "style", STEPS)
    page.locator("#style-generate").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("the mask is empty", timeout=PATIENCE)
    paint(page, (0.4, 0.44), 70)
    edited = generate(page, "style")
    with zipfile.ZipFile(download(page, "archive")) as archive:
        mask = pixels(Path(archive.extract("mask.png", tmp_path)))[..., 0] > 0
    assert 0.01 < mask.mean() < 0.1
    rows = np.flatnonzero(mask.any(axis=1))
    assert 85 < rows.mean() < 140
    changed = (edited != pixels(figures[0])).any(axis=2)
    assert changed[mask].mean() > 0.5
    assert changed[: rows.min() - 4].sum() == changed[rows.max() + 5 :].sum() == 0, "the rest stays to the bit"


def test_interpolation_as_a_strip_and_mixed(open_page: OpenPage, figures: list[Path]) -> None:
    page = open_page()
    page.get_by_role("tab", name="Interpolation").click()
    for number, figure in enumerate(figures, start=1):
        upload(page, f"interpolation-source-{number}", figure)
        taken(page, f"interpolation-source-{number}")
    set_steps(page, "interpolation", STEPS)
    set_number(page, "interpolation-frames", 3)
    strip = generate(page, "interpolation")
    assert strip.shape[1] > 2 * 176
    assert settings(page)["frames"] == 3

    page.get_by_label("one image, mixed by weights").check()
    set_number(page, "interpolation-weight-1", 1)
    mixed = generate(page, "interpolation", results=2)
    assert mixed.shape[1] < 2 * 176
    assert settings(page)["weights"] == pytest.approx([2 / 3, 1 / 3])


def test_attention(open_page: OpenPage, figures: list[Path]) -> None:
    page = open_page()
    page.get_by_role("tab", name="Attention").click()
    upload(page, "attention-source", figures[0])
    taken(page, "attention-source")
    sheet = generate(page, "attention")
    assert sheet.shape[1] > 2 * 176
    expect(page.locator("#results-command textarea")).to_have_value(re.compile("^cfld attention --source me.png"))


def bad_file(kind: str, figure: Path) -> Path:
    content = {
        "text": b"This is no image at all.",
        "empty": b"",
        "truncated": figure.read_bytes()[:900],
        "huge": figure.read_bytes()[:16] + (30_000).to_bytes(4, "big") * 2 + figure.read_bytes()[24:],
    }[kind]
    file = figure.with_name(f"{kind}.png")
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "huge"])
def test_a_bad_upload_is_answered_by_a_message(open_page: OpenPage, figures: list[Path], kind: str) -> None:
    page = open_page()
    upload(page, "transfer-source", bad_file(kind, figures[0]))
    note = page.locator("#transfer-source-note")
    expect(note).to_contain_text(f"Not accepted. {kind}.png", timeout=PATIENCE)
    assert "Traceback" not in note.inner_text()
    expect(page.locator("#transfer-source input[type=file]")).to_have_count(1, timeout=PATIENCE)
    upload(page, "transfer-source", figures[0])
    taken(page, "transfer-source")
    expect(note).not_to_contain_text("Not accepted", timeout=PATIENCE)


def test_a_bad_pose_file_is_answered_by_a_message(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    before = shown_pose(page, "transfer")
    (tmp_path / "bad.json").write_text('{"frame": [256, 176], "keypoints": [[1, 2]]}')
    upload(page, "transfer-pose-file", tmp_path / "bad.json")
    expect(page.locator("#transfer-pose-note")).to_contain_text("Not accepted. bad.json", timeout=PATIENCE)
    assert shown_pose(page, "transfer") == before


def test_a_missing_source_is_reported(open_page: OpenPage) -> None:
    page = open_page()
    clear(page, "transfer-source")
    page.locator("#transfer-generate").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("the source is missing", timeout=PATIENCE)
    told = "Not generated: the source is missing: upload an image or choose an example"
    expect(page.locator("#transfer-status")).to_have_text(told, timeout=PATIENCE)
    expect(page.locator("#transfer-result").get_by_text("Error")).to_be_hidden()


def test_a_telephone_in_the_dark_never_moves_sideways(
    open_page: OpenPage, telephone: dict[str, Any], figures: list[Path]
) -> None:
    page = open_page("?__theme=dark", **telephone)
    for tab in TABS:
        page.get_by_role("tab", name=tab).tap()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("tab", name="Pose transfer").tap()
    upload(page, "transfer-source", figures[0])
    taken(page, "transfer-source")
    set_steps(page, "transfer", STEPS)
    generate(page, "transfer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
def test_the_page_is_as_bright_as_the_system(open_page: OpenPage, theme: str, dark: bool) -> None:
    page = open_page(color_scheme=theme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [float(number) for number in re.findall(r"[\d.]+", colour)]
    assert (sum(levels[:3]) < 3 * 60) == dark
