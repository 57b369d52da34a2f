"""A real Chromium drags a joint in `cfld app --model mannequin-turbo`, and the person follows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from support.commands import Server

PATIENCE = 60_000
"""Milliseconds; machines that test may be busy."""
SEVERAL = 4
"""Images that a drag waits for."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("app", "--port", 0, "--model", "mannequin-turbo") as server:
        yield server


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """As a new visitor, with the example that the page shows at first as the source."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    expect(page.locator("#transfer-pose .joint").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#transfer-source img").first).to_be_visible(timeout=PATIENCE)
    yield page
    context.close()


def images_of(page: Page) -> Callable[[], list[str]]:
    """Of the images that the page shows from now on: their content."""
    page.evaluate(
        """() => {
            window.images = [];
            const image = document.querySelector("#transfer-pose-live img");
            image.addEventListener("load", () => {
                const canvas = document.createElement("canvas");
                [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                canvas.getContext("2d").drawImage(image, 0, 0);
                window.images.push(canvas.toDataURL());
            });
        }"""
    )
    return lambda: page.evaluate("window.images")


def hold(page: Page) -> Callable[[float], None]:
    """Presses the mouse on the right wrist; the function that is returned moves it to an angle of a circle."""
    dot = page.locator("#transfer-pose").get_by_role("slider", name="right wrist", exact=True).locator(".dot")
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    return lambda angle: page.mouse.move(x - 40 * math.sin(angle), y - 60 + 60 * math.cos(angle))


def drag_until(page: Page, done: Callable[[], bool]) -> None:
    """Drags the right wrist around until a condition holds, without releasing it."""
    move, steps = hold(page), 0
    while not done():
        steps += 1
        assert steps < PATIENCE / 20, "the images did not come"
        move(steps / 20)
        page.wait_for_timeout(20)


def test_the_person_follows_the_joint_and_the_result_comes_on_release(browser: Browser, server: Server) -> None:
    with opened(browser, server.address) as page:
        images, view = images_of(page), page.locator("#transfer-pose-live img")
        drag_until(page, lambda: len(images()) >= SEVERAL)
        assert len(set(images())) >= SEVERAL, "each another one"
        expect(view).to_be_visible(timeout=PATIENCE)
        assert view.evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [132, 192]
        page.mouse.up()
        expect(page.locator("#transfer-status")).to_have_text(re.compile(r"Done in [\d.]+ s\."), timeout=PATIENCE)
        expect(page.locator("#results-gallery .thumbnail-item")).to_have_count(1, timeout=PATIENCE)


def test_a_page_closed_in_the_middle_leaves_the_server_as_it_was(browser: Browser, server: Server) -> None:
    with opened(browser, server.address) as page:
        images = images_of(page)
        drag_until(page, lambda: len(images()) > 0)
        page.close()
    assert server.process.poll() is None
    with opened(browser, server.address) as page:
        images = images_of(page)
        drag_until(page, lambda: len(images()) > 1)


def test_with_an_ordinary_model_nothing_is_live(browser: Browser) -> None:
    with Server("app", "--port", 0) as server, opened(browser, server.address) as page:
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        move = hold(page)
        for step in range(20):
            move(step / 5)
        page.mouse.up()
        page.wait_for_timeout(500)
        assert page.locator("#transfer-pose-live").count() == 0
        assert not [url for url in requests if url.endswith("/live")]
        assert page.locator("#transfer-status").inner_text().startswith("An example")
        assert page.request.post(f"{server.address}/live", data={}).status in (404, 405)
