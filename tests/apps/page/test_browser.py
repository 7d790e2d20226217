"""The page in headless Chromium, end to end on the packaged model; with LIMNER_PICTURES it takes the docs' pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.core.assets import asset_path
from limner.core.images import write_png
from limner.trust.checking import check_picture
from tests.apps.page.browsing import (
    DESK,
    PHONE,
    alert,
    choose,
    focused,
    open_tab,
    opened,
    set_steps,
    show,
    take_picture,
)

pytestmark = pytest.mark.slow


def test_a_portrait_is_drawn_seen_and_marked(desk: Any, tmp_path: Path) -> None:
    desk.locator("input[type=file]").first.set_input_files(asset_path("example/person.jpg"))
    desk.get_by_role("button", name="Draw", exact=True).click()
    desk.locator("#portrait-status progress").wait_for()
    desk.locator("#portrait-status").get_by_text("Done: 4 pictures").wait_for()
    thumbnails = desk.locator("#portrait-gallery .thumbnail-item img")
    assert thumbnails.count() == 4
    thumbnails.first.wait_for()
    assert desk.locator("#portrait-gallery").get_by_text("Seed 10, similarity").count() == 1
    take_picture(desk, "portrait")
    with desk.expect_download() as started:
        desk.locator("#portrait-files a").first.click()
    started.value.save_as(tmp_path / "kept.png")
    assert check_picture(tmp_path / "kept.png").status == "marked"
    open_tab(desk, "Check")
    desk.locator("input[type=file]").last.set_input_files(tmp_path / "kept.png")
    desk.locator("#check-go").click()
    desk.locator("#check-status").get_by_text("Marked").wait_for()
    take_picture(desk, "check")


def test_a_photo_without_a_face_is_told_in_words(desk: Any, tmp_path: Path) -> None:
    write_png(tmp_path / "wall.png", np.full((200, 200, 3), 140, np.uint8))
    desk.locator("input[type=file]").first.set_input_files(tmp_path / "wall.png")
    desk.get_by_role("button", name="Draw", exact=True).click()
    alert(desk).get_by_text("No face was found").wait_for()
    assert "Traceback" not in desk.content()
    assert "limner-page-" not in alert(desk).inner_text()
    assert desk.get_by_role("button", name="Draw", exact=True).is_enabled()


def test_a_drawing_is_cancelled(desk: Any) -> None:
    choose(desk, "Who", "An invented person")
    set_steps(desk, "Dials", 60)
    desk.get_by_role("button", name="Draw", exact=True).click()
    desk.locator("#portrait-status").get_by_text("Drawing").wait_for()
    desk.locator("#portrait-stop").click()
    alert(desk).get_by_text("Stopped").wait_for()


@pytest.mark.parametrize("tab", ["Portrait", "Template", "People", "Batch", "Compare", "Check"])
def test_a_phone_is_wide_enough(phone: Any, tab: str) -> None:
    open_tab(phone, tab)
    phone.wait_for_timeout(500)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if tab == "Portrait":
        take_picture(phone, "phone")


def test_the_keyboard_is_enough(desk: Any) -> None:
    """Tab by tab through the form: each control in the order it is read, each with a name and a visible ring."""
    names = []
    for _ in range(40):
        desk.keyboard.press("Tab")
        names.append(focused(desk))
        if names[-1] == "Draw":
            break
    expected = ["Portrait", "Who", "What the picture shows", "Style", "Draw"]
    places = [next(place for place, one in enumerate(names) if name in one) for name in expected]
    assert places == sorted(places), names
    assert all(names), names
    assert desk.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    desk.keyboard.press("Enter")
    alert(desk).get_by_text("No photo was given").wait_for()


def test_two_windows_have_their_own_pictures(browser: Any, address: str) -> None:
    ends = []
    for _ in range(2):
        context = browser.new_context(viewport=DESK)
        page = opened(context)
        show(page, address)
        choose(page, "Who", "An invented person")
        page.get_by_role("button", name="Draw", exact=True).click()
        ends.append((context, page))
    for context, page in ends:
        page.locator("#portrait-status").get_by_text("Done: 4 pictures").wait_for()
        context.close()
