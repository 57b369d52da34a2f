"""A real Chromium drags, moves, mirrors, removes and brings back the joints of two editors on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from cfld.app.joint_editor import from_value, joint_editor, to_value, with_backdrop
from cfld.poses.keypoints import Keypoints
from cfld.poses.skeleton import JOINTS, MIRROR

PATIENCE = 20_000
"""Milliseconds; machines that test may be busy."""

WRIST = JOINTS.index("left_wrist")
YX = np.array(
    [
        *((30, 90), (55, 88), (58, 70), (90, 62), (118, 58), (57, 106), (88, 116), (115, 122), (122, 76)),
        *((170, 74), (220, 72), (122, 100), (172, 102), (222, 106), (26, 85), (26, 95), (28, 79), (-1, -1)),
    ],
    dtype=np.float32,
)
POSE = Keypoints(YX, (256, 176))
OTHER = Keypoints(YX * 0.5, (128, 88))


Received = dict[str, list[NDArray[np.float32]]]
"""For each editor, the joints (18, 2) of each pose that the server received."""


def build_page(received: Received) -> gr.Blocks:
    """Two editors; the first one can be set anew and given an image."""
    with gr.Blocks(analytics_enabled=False) as page:
        first = joint_editor(POSE, "Target pose", "first")
        second = joint_editor(POSE, "Other pose", "second")
        for editor, name in ((first, "first"), (second, "second")):

            def receive(value: Any, name: str = name) -> None:
                received[name].append(from_value(value).yx)

            editor.input(receive, editor, trigger_mode="multiple", concurrency_limit=1, show_progress="hidden")
        gr.Button("Set", elem_id="set").click(lambda: to_value(OTHER), None, first)
        image = Image.new("RGB", (176, 256), "red")
        gr.Button("Backdrop", elem_id="backdrop").click(lambda: with_backdrop(image), None, first)
    return page


@pytest.fixture(scope="module")
def all_received() -> Received:
    return {"first": [], "second": []}


@pytest.fixture
def received(all_received: Received) -> Received:
    """Of this test."""
    for poses in all_received.values():
        poses.clear()
    return all_received


@pytest.fixture(scope="module")
def address(all_received: Received) -> Iterator[str]:
    page = build_page(all_received)
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield page.local_url
    page.close(verbose=False)


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens the page and waits for its editors; in the end nothing in it went wrong."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_it(path: str = "", **options: Any) -> Page:
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
        page.goto(address + path)
        pages.append(page)
        expect(joint(page, "second", "left wrist")).to_have_attribute("aria-valuetext", "row 115, column 122")
        return page

    yield open_it
    for page in pages:
        page.context.close()
    assert complaints == []


def joint(page: Page, editor: str, name: str) -> Locator:
    return page.locator(f"#{editor}").get_by_role("slider", name=name, exact=True)


def press(page: Page, name: str, editor: str = "first") -> None:
    page.locator(f"#{editor}").get_by_role("button", name=name, exact=True).click()


def middle(where: Locator) -> tuple[float, float]:
    where.scroll_into_view_if_needed()
    box = where.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, name: str, right: float, down: float, editor: str = "first") -> None:
    """By pixels of the screen."""
    x, y = middle(joint(page, editor, name).locator(".dot"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()


def scale(page: Page, editor: str = "first") -> float:
    """Pixels of the screen for a pixel of the frame."""
    return float(page.locator(f"#{editor} svg").evaluate("(svg) => svg.getScreenCTM().a"))


def received_pose(page: Page, received: list[NDArray[np.float32]], times: int) -> NDArray[np.float32]:
    """The pose that the server received last, after exactly `times` requests.

    Call it after each action: two requests on their way at once may overtake each other.
    """
    deadline = time.monotonic() + PATIENCE / 1000
    while len(received) < times and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert len(received) == times
    return received[-1]


def with_wrist(right: float, down: float) -> NDArray[np.float32]:
    expected = YX.copy()
    expected[WRIST] += (down, right)
    return expected


def test_a_joint_dragged_is_moved_on_the_server(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 30, -24)
    moved = received_pose(page, received["first"], 1)
    assert moved == pytest.approx(with_wrist(30 / scale(page), -24 / scale(page)), abs=0.02)
    expect(page.locator("#first .hint")).to_have_text(
        f"left wrist: row {round(float(moved[WRIST, 0]))}, column {round(float(moved[WRIST, 1]))}"
    )


def test_a_joint_does_not_jump_to_where_it_is_grasped(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    x, y = middle(joint(page, "first", "left wrist").locator(".dot"))
    page.mouse.move(x + 9, y + 7)
    page.mouse.down()
    page.mouse.up()
    page.mouse.down()
    page.mouse.move(x + 9 + 20, y + 7)
    page.mouse.up()
    assert received_pose(page, received["first"], 1) == pytest.approx(with_wrist(20 / scale(page), 0), abs=0.02), (
        "and a mere click is no movement"
    )


def test_of_joints_close_together_the_nearest_is_taken(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "right eye", 0, -30)
    assert np.flatnonzero((received_pose(page, received["first"], 1) != YX).any(axis=1)).tolist() == [
        JOINTS.index("right_eye")
    ]


def test_a_joint_stays_where_it_can_be_grasped(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 5000, 5000)
    y, x = received_pose(page, received["first"], 1)[WRIST]
    assert 256 <= y <= 256 * 1.1
    assert 176 <= x <= 176 + 256 * 0.1


def test_undo_redo_and_reset(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    tools = page.locator("#first [role=toolbar]")
    expect(tools.get_by_role("button", name="Undo")).to_be_disabled()
    drag(page, "left wrist", 30, 0)
    once = received_pose(page, received["first"], 1)
    drag(page, "nose", 0, -20)
    twice = received_pose(page, received["first"], 2)
    press(page, "Undo")
    assert np.array_equal(received_pose(page, received["first"], 3), once)
    press(page, "Undo")
    assert np.array_equal(received_pose(page, received["first"], 4), YX)
    expect(tools.get_by_role("button", name="Undo")).to_be_disabled()
    press(page, "Redo")
    assert np.array_equal(received_pose(page, received["first"], 5), once)
    press(page, "Redo")
    assert np.array_equal(received_pose(page, received["first"], 6), twice)
    expect(tools.get_by_role("button", name="Redo")).to_be_disabled()
    press(page, "Reset")
    assert np.array_equal(received_pose(page, received["first"], 7), YX)
    press(page, "Undo")
    assert np.array_equal(received_pose(page, received["first"], 8), twice), "a reset by mistake can be undone"
    drag(page, "left wrist", -30, 0)
    received_pose(page, received["first"], 9)
    expect(tools.get_by_role("button", name="Redo")).to_be_disabled()


def test_mirroring_agrees_with_keypoints_and_is_its_inverse(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 31, -17)
    before = received_pose(page, received["first"], 1)
    press(page, "Mirror")
    mirrored = received_pose(page, received["first"], 2)
    assert mirrored == pytest.approx(Keypoints(before, (256, 176)).mirrored().yx, abs=0.006)
    assert mirrored[MIRROR[WRIST], 1] == pytest.approx(175 - before[WRIST, 1], abs=0.006), "names change sides"
    press(page, "Mirror")
    assert np.array_equal(received_pose(page, received["first"], 3), before)


def test_by_keyboard_alone(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    joint(page, "first", "left wrist").focus()
    page.keyboard.press("ArrowLeft")
    assert np.array_equal(received_pose(page, received["first"], 1), with_wrist(-1, 0))
    page.keyboard.press("Shift+ArrowDown")
    assert np.array_equal(received_pose(page, received["first"], 2), with_wrist(-1, 10))
    for _ in range(5):
        page.keyboard.down("ArrowUp")  # repeats, as of a key that is held
    page.keyboard.up("ArrowUp")
    assert np.array_equal(received_pose(page, received["first"], 3), with_wrist(-1, 5))
    expect(joint(page, "first", "left wrist")).to_have_attribute("aria-valuetext", "row 120, column 121")
    page.keyboard.press("Control+z")
    assert np.array_equal(received_pose(page, received["first"], 4), with_wrist(-1, 10)), "a held key is one step"
    page.keyboard.press("Control+Shift+z")
    assert np.array_equal(received_pose(page, received["first"], 5), with_wrist(-1, 5))
    page.keyboard.press("Delete")
    assert (received_pose(page, received["first"], 6)[WRIST] == -1).all()
    expect(joint(page, "first", "left wrist")).to_be_hidden()
    page.keyboard.press("Control+z")
    assert np.array_equal(received_pose(page, received["first"], 7), with_wrist(-1, 5)), "the keys go on working"


def test_every_joint_has_a_name_and_can_be_reached_by_tab(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.locator("#first select").focus()
    names = []
    for _ in JOINTS[:-1]:  # the left ear is missing
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert names == [name.replace("_", " ") for name in JOINTS[:-1]]


def test_a_joint_is_removed_and_brought_back(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    expect(page.locator("#first").get_by_role("button", name="Remove joint")).to_be_disabled()
    x, y = middle(joint(page, "first", "left wrist").locator(".dot"))
    page.mouse.click(x, y)
    press(page, "Remove joint")
    removed = received_pose(page, received["first"], 1)
    assert (removed[WRIST] == -1).all()
    restore = page.locator("#first").get_by_label("Restore a joint")
    assert restore.locator("option").all_text_contents() == ["Restore joint…", "left wrist", "left ear"]
    restore.select_option("left wrist")
    assert np.array_equal(received_pose(page, received["first"], 2), YX), "it comes back to where it was at the start"
    restore.select_option("left ear")
    ear, eye = received_pose(page, received["first"], 3)[[JOINTS.index("left_ear"), JOINTS.index("left_eye")]]
    assert np.abs(ear - eye).max() < 20, "beside the joint that it hangs on"
    expect(joint(page, "first", "left ear")).to_be_focused()
    expect(restore).to_be_disabled()


def test_two_editors_do_not_disturb_each_other(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 30, 0)
    first = received_pose(page, received["first"], 1)
    drag(page, "nose", 20, 0, "second")
    second = received_pose(page, received["second"], 1)
    assert np.array_equal(second[WRIST], YX[WRIST])
    assert not np.array_equal(first[WRIST], YX[WRIST])
    press(page, "Undo", "second")
    assert np.array_equal(received_pose(page, received["second"], 2), YX)
    assert np.array_equal(received_pose(page, received["first"], 1), first)


def test_what_the_server_sets_is_the_new_start(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 30, 0)
    received_pose(page, received["first"], 1)
    page.locator("#set").click()
    expect(joint(page, "first", "left wrist")).to_have_attribute("aria-valuetext", "row 58, column 61")
    expect(page.locator("#first").get_by_role("button", name="Undo")).to_be_disabled()
    expect(joint(page, "second", "left wrist")).to_have_attribute("aria-valuetext", "row 115, column 122")
    drag(page, "left wrist", 30, -24)
    moved = received_pose(page, received["first"], 2)
    expected = OTHER.yx.copy()
    expected[WRIST] += (-24 / scale(page), 30 / scale(page))
    assert moved == pytest.approx(expected, abs=0.02)
    press(page, "Reset")
    assert np.array_equal(received_pose(page, received["first"], 3), OTHER.yx)


def test_a_joint_with_the_focus_outlives_a_new_pose(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    joint(page, "first", "left wrist").focus()
    page.locator("#set").evaluate("(button) => button.click()")
    expect(joint(page, "first", "left wrist")).to_have_attribute("aria-valuetext", "row 58, column 61")
    page.keyboard.press("ArrowLeft")
    assert received_pose(page, received["first"], 1)[WRIST].tolist() == [57.5, 60.0]


def test_a_image_behind_the_skeleton(open_page: Callable[..., Page], received: Received) -> None:
    page = open_page()
    drag(page, "left wrist", 30, 0)
    moved = received_pose(page, received["first"], 1)
    expect(page.locator("#first .backdrop")).to_be_hidden()
    page.locator("#backdrop").click()
    expect(page.locator("#first .backdrop")).to_be_visible()
    press(page, "Undo")
    assert np.array_equal(received_pose(page, received["first"], 2), YX)
    press(page, "Redo")
    assert np.array_equal(received_pose(page, received["first"], 3), moved), "the pose and its history stay"
    expect(page.locator("#second .backdrop")).to_be_hidden()


class Fingers:
    """Touches as the browser itself gets them; the screen remembers which fingers are down."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def __call__(self, kind: str, *points: tuple[float, float]) -> None:
        touched = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


def test_by_finger_on_a_telephone_in_the_dark(
    open_page: Callable[..., Page], received: Received, telephone: dict[str, Any]
) -> None:
    page = open_page("?__theme=dark", **telephone)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    x, y = middle(joint(page, "first", "left wrist").locator(".dot"))
    finger = Fingers(page)
    finger("touchStart", (x, y))
    for step in (1, 2, 3):
        finger("touchMove", (x + 10 * step, y - 20 * step))
    finger("touchEnd")
    moved = received_pose(page, received["first"], 1)
    assert moved == pytest.approx(with_wrist(30 / scale(page), -60 / scale(page)), abs=0.2)
    undo = page.locator("#first").get_by_role("button", name="Undo")
    box = undo.bounding_box()
    assert box
    assert box["height"] >= 44, "a finger's width"
    undo.tap()
    assert np.array_equal(received_pose(page, received["first"], 2), YX)


def test_a_finger_beside_the_joints_scrolls_the_page(
    open_page: Callable[..., Page], received: Received, telephone: dict[str, Any]
) -> None:
    page = open_page(**telephone)
    box = page.locator("#first svg").bounding_box()
    assert box
    x, y = box["x"] + 15, box["y"] + box["height"] / 2
    finger = Fingers(page)
    finger("touchStart", (x, y))
    for step in range(1, 6):
        finger("touchMove", (x, y - 30 * step))
    finger("touchEnd")
    page.wait_for_function("scrollY > 50")
    assert received["first"] == []


def test_a_second_finger_and_an_interrupted_one_change_nothing(
    open_page: Callable[..., Page], received: Received, telephone: dict[str, Any]
) -> None:
    page = open_page(**telephone)
    x, y = middle(joint(page, "first", "left wrist").locator(".dot"))
    nose = middle(joint(page, "first", "nose").locator(".dot"))
    finger = Fingers(page)
    finger("touchStart", (x, y))
    finger("touchMove", (x + 20, y))
    finger("touchStart", (x + 20, y), nose)
    finger("touchMove", (x + 20, y), (nose[0] + 30, nose[1]))
    finger("touchCancel")
    expect(joint(page, "first", "left wrist")).to_have_attribute("aria-valuetext", "row 115, column 122")
    expect(joint(page, "first", "nose")).to_have_attribute("aria-valuetext", "row 30, column 90")
    press(page, "Mirror")
    assert received_pose(page, received["first"], 1) == pytest.approx(POSE.mirrored().yx)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read(open_page: Callable[..., Page], theme: str) -> None:
    """Contrast of text to its background as WCAG asks for, at least 4.5."""
    page = open_page(f"?__theme={theme}")
    for what in (".hint", ".label", "[data-action=mirror]"):
        assert contrast(page.locator(f"#first {what}")) >= 4.5, what


CONTRAST = """(node) => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3)
    .map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = node;
  while (behind && (parts(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
  const lights = [getComputedStyle(node).color, getComputedStyle(behind ?? document.body).backgroundColor].map(light);
  return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
}"""


def contrast(where: Locator) -> float:
    return float(where.evaluate(CONTRAST))
