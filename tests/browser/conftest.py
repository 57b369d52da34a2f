"""A real Chromium for the tests of this folder, and what they open pages as."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from support.programs import chromium

QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def telephone() -> dict[str, Any]:
    """Options of a context."""
    screen = {"width": 390, "height": 760}
    return {"viewport": screen, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
