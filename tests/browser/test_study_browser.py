"""A real Chromium goes through the user study: by pointer, by keyboard alone, on a telephone, with limited time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cfld.study.database import Database
from cfld.study.definition import load_study
from cfld.study.plan import plan
from support.study import METHODS, make_study, serving

QUESTIONS = 8

NewPage = Callable[..., Page]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def address(study: Path) -> Iterator[str]:
    with serving(study) as address:
        yield address


@pytest.fixture
def new_page(browser: Browser, address: str) -> Iterator[NewPage]:
    """Opens a page of a new visitor; in the end nothing went wrong in any, and none asked another host."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            complaints.append(request.url)

    def note_line(line: Any) -> None:
        if line.type in ("error", "warning") and "403 (Forbidden)" not in line.text:  # a wrong password is refused so
            complaints.append(line.text)

    def new(**options: Any) -> Page:
        contexts.append(browser.new_context(**{"base_url": address} | options))
        page = contexts[-1].new_page()
        page.on("request", note_request)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note_line)
        return page

    yield new
    for context in contexts:
        context.close()
    assert complaints == []


def latest(study: Path) -> tuple[int, list[str]]:
    """The number of the participant who came last, and what they picked."""
    loaded = load_study(study)
    database = Database(f"sqlite:///{study / 'answers.sqlite'}", loaded.fingerprint())
    rows = list(database.answers())
    database.close()
    number = rows[-1]["number"]
    return number, [row["pick"] for row in rows if row["number"] == number]


def ready(page: Page, number: int) -> None:
    """Waits until a question can be answered."""
    expect(page).to_have_title(f"Question {number} of {QUESTIONS}", timeout=20_000)
    expect(page.locator("form[data-open] button[name=choice]:enabled").first).to_be_visible(timeout=20_000)


def check_picks(study: Path, choices: list[int]) -> None:
    """The participant who came last made these choices, and no other."""
    number, picked = latest(study)
    trials = plan(load_study(study), number)[: len(choices)]
    assert picked == [trial.picks[choice - 1] for trial, choice in zip(trials, choices, strict=True)]


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_whole_study_by_pointer(new_page: NewPage, study: Path) -> None:
    page = new_page(color_scheme="light")
    page.goto("/")
    assert background(page) == "rgb(246, 246, 243)"
    page.get_by_role("button", name="Take part").click()
    choices = [1, 2, 2, 1, 1, 3, 2, 1]
    for number, choice in enumerate(choices, start=1):
        if number == 6:
            expect(page).to_have_title("Part two")
            page.get_by_role("link", name="Continue").click()
        ready(page, number)
        assert page.locator("img").count() == (1 if number < 6 else 6)
        assert page.evaluate("[...document.images].every((image) => image.naturalWidth === 22)")
        assert page.locator("progress").get_attribute("value") == str(number - 1)
        page.locator(f"button[value='{choice}']").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    check_picks(study, choices)


def test_a_whole_study_by_keyboard_alone(new_page: NewPage, study: Path) -> None:
    """By the keys shown on the buttons, and by Tab and Enter."""
    page = new_page()
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    keys = [("1",), ("2",), ("g",), ("r",), ("Tab", "Tab", "Enter"), ("3",), ("Tab", "Space"), ("2",)]
    for number, pressed in enumerate(keys, start=1):
        if number == 6:
            expect(page.get_by_role("link", name="Continue")).to_be_focused()
            page.keyboard.press("Enter")
        ready(page, number)
        for key in pressed:
            page.keyboard.press(key)
    expect(page).to_have_title("Thank you")
    check_picks(study, [1, 2, 2, 1, 2, 3, 1, 2])


def test_keys_with_modifiers_and_held_keys_do_not_answer(new_page: NewPage, study: Path) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("button", name="Take part").click()
    ready(page, 1)
    for key in ("Control+1", "Alt+1", "7", "x"):
        page.keyboard.press(key)
    page.keyboard.down("1")
    for _ in range(5):
        page.keyboard.down("1")  # repeats, as of a key that is held
    ready(page, 2)
    page.wait_for_timeout(500)
    check_picks(study, [1])


def test_a_double_click_counts_once(new_page: NewPage, study: Path) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("button", name="Take part").dblclick()
    ready(page, 1)
    page.get_by_role("button", name="Real").dblclick()
    ready(page, 2)
    page.wait_for_timeout(500)
    check_picks(study, [1])


def test_a_closed_tab_goes_on_where_it_was(new_page: NewPage, study: Path) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("button", name="Take part").click()
    for number in (1, 2):
        ready(page, number)
        page.keyboard.press("1")
    ready(page, 3)
    context = page.context
    page.close()
    again = context.new_page()
    again.goto("/")
    ready(again, 3)
    again.keyboard.press("2")
    ready(again, 4)
    again.go_back()
    ready(again, 4)
    check_picks(study, [1, 1, 2])


def test_a_telephone_in_the_dark_shows_all_without_moving_sideways(
    new_page: NewPage, telephone: dict[str, Any]
) -> None:
    page = new_page(color_scheme="dark", **telephone)
    page.goto("/")
    assert background(page) == "rgb(23, 24, 27)"
    fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(fits)
    page.get_by_role("button", name="Take part").tap()
    for number in range(1, QUESTIONS + 1):
        if number == 6:
            page.get_by_role("link", name="Continue").tap()
        ready(page, number)
        assert page.evaluate(fits)
        button = page.locator("button[name=choice]").last
        box = button.bounding_box()
        assert box
        assert box["y"] + box["height"] <= 760, "all answers can be seen at once"
        assert min(box["width"], box["height"]) >= 44, "a finger's width"
        button.tap()
    expect(page).to_have_title("Thank you")


def test_without_scripts_the_study_works(new_page: NewPage, study: Path) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/")
    page.click("text=Take part")
    for number in range(1, QUESTIONS + 1):
        if number == 6:
            page.click("text=Continue")
        page.wait_for_selector(f"text={number} of {QUESTIONS}")
        page.click("button[value='1']")
    page.wait_for_selector("text=Thank you")
    check_picks(study, [1] * QUESTIONS)


def test_images_disappear_after_their_time(new_page: NewPage, tmp_path: Path) -> None:
    study = make_study(tmp_path, seconds=1.0)
    with serving(study) as address:
        page = new_page(base_url=address)
        page.goto("/")
        page.get_by_role("button", name="Take part").click()
        ready(page, 1)
        image, note = page.get_by_alt_text("The image to judge"), page.get_by_text("Please answer from memory")
        expect(image).to_be_visible()
        expect(note).to_be_hidden()
        expect(image).to_be_hidden(timeout=3000)
        expect(note).to_be_visible()
        page.reload()
        ready(page, 1)
        expect(page.get_by_alt_text("The image to judge")).to_have_count(0)
        page.keyboard.press("1")
        ready(page, 2)
        expect(image).to_be_visible()


def test_results_are_live(new_page: NewPage, study: Path, tmp_path: Path) -> None:
    with serving(study, "--database", f"sqlite:///{tmp_path / 'answers.sqlite'}") as address:
        password = json.loads((study / "keys.json").read_text())["results"]
        see_results_update(new_page(base_url=address), new_page(base_url=address), password)


def see_results_update(results: Page, page: Page, password: str) -> None:
    results.goto("/results")
    results.get_by_label("Password").fill("wrong")
    results.keyboard.press("Enter")
    expect(results.get_by_role("alert")).to_have_text("Wrong password.")
    results.get_by_label("Password").fill(password)
    results.keyboard.press("Enter")
    expect(results.get_by_text("no answers yet").first).to_be_visible()
    results.get_by_label("include unfinished").check()
    results.get_by_label("attention checks").check()
    results.get_by_role("button", name="Apply").click()
    page.goto("/")
    page.get_by_role("button", name="Take part").click()
    for number in range(1, QUESTIONS + 1):
        if number == 6:
            page.get_by_role("link", name="Continue").click()
        ready(page, number)
        page.keyboard.press("1")
    expect(page).to_have_title("Thank you")
    expect(results.locator("dl div").filter(has_text="finished").locator("dd")).to_have_text("1", timeout=10_000)
    expect(results.get_by_text("answers included")).to_be_visible()
    bars = results.locator("svg rect")
    assert bars.count() == 2 + len(METHODS)
    widths = [float((bars.nth(i).get_attribute("width") or "").rstrip("%")) for i in range(bars.count())]
    assert sum(widths[2:]) == pytest.approx(100, abs=0.1), "Jab adds up"
    expect(results.get_by_text("chi-square(2)")).to_be_visible()
