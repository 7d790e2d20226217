"""The page in headless Chromium, end to end on the packaged model; with LIMNER_PICTURES it takes the docs' pictures."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.core.assets import asset_path
from limner.core.images import write_png
from limner.trust.checking import check_picture

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
"""Milliseconds for the slowest step on a machine that has much else to do."""
PICTURES = os.environ.get("LIMNER_PICTURES")
PHONE = {"width": 375, "height": 760}
DESK = {"width": 1180, "height": 860}

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'limner[browser]'")
if not CHROMIUM.exists():
    pytest.skip(f"needs {CHROMIUM}: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that was started as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    people, log = tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("log") / "page.log"
    program = "from limner.apps.cli import main; main()"
    arguments = [sys.executable, "-c", program, "ui", "--port", str(port), "--people", str(people)]
    with log.open("w") as written:
        server = subprocess.Popen(arguments, stdout=written, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/", server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(30)
    assert "Traceback" not in log.read_text()


def _wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(240):
        assert server.poll() is None, "the page did not start"
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail("the page did not answer")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def desk(browser: Any, address: str) -> Iterator[Any]:
    yield from _window(browser, address, viewport=DESK)


@pytest.fixture
def phone(browser: Any, address: str) -> Iterator[Any]:
    yield from _window(browser, address, viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2)


def _window(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A fresh window; nothing may be asked of another computer, and no script may fail."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    elsewhere: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: None if _is_own(request.url, address) else elsewhere.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(address)
    page.get_by_role("button", name="Draw", exact=True).wait_for()
    yield page
    context.close()
    assert (elsewhere, failed) == ([], [])


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def _picture(page: Any, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(800)
        seen = Image.open(BytesIO(page.screenshot()))
        seen.save(Path(PICTURES) / f"page-{name}.webp", quality=85, method=6)


def _open(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()


def test_a_portrait_is_drawn_seen_and_marked(desk: Any, tmp_path: Path) -> None:
    desk.locator("input[type=file]").first.set_input_files(asset_path("example/person.jpg"))
    desk.get_by_role("button", name="Draw", exact=True).click()
    desk.locator("#portrait-status progress").wait_for()
    desk.locator("#portrait-status").get_by_text("Done: 4 pictures").wait_for()
    thumbnails = desk.locator("#portrait-gallery .thumbnail-item img")
    assert thumbnails.count() == 4
    thumbnails.first.wait_for()
    assert desk.locator("#portrait-gallery").get_by_text("Seed 10, similarity").count() == 1
    _picture(desk, "portrait")
    with desk.expect_download() as started:
        desk.locator("#portrait-files a").first.click()
    started.value.save_as(tmp_path / "kept.png")
    assert check_picture(tmp_path / "kept.png").status == "marked"
    _open(desk, "Check")
    desk.locator("input[type=file]").last.set_input_files(tmp_path / "kept.png")
    desk.locator("#check-go").click()
    desk.locator("#check-status").get_by_text("Marked").wait_for()
    _picture(desk, "check")


def test_a_photo_without_a_face_is_told_in_words(desk: Any, tmp_path: Path) -> None:
    write_png(tmp_path / "wall.png", np.full((200, 200, 3), 140, np.uint8))
    desk.locator("input[type=file]").first.set_input_files(tmp_path / "wall.png")
    desk.get_by_role("button", name="Draw", exact=True).click()
    alert = desk.get_by_role("alert")
    alert.get_by_text("No face was found").wait_for()
    assert "Traceback" not in desk.content()
    assert "limner-page-" not in alert.inner_text()
    assert desk.get_by_role("button", name="Draw", exact=True).is_enabled()


def test_a_drawing_is_cancelled(desk: Any) -> None:
    _choose(desk, "Who", "The example person")
    desk.get_by_role("button", name="Dials").click()
    steps = desk.get_by_label("number input for Steps").first
    steps.fill("60")
    steps.press("Tab")
    desk.get_by_role("button", name="Draw", exact=True).click()
    desk.locator("#portrait-status").get_by_text("Drawing").wait_for()
    desk.locator("#portrait-stop").click()
    desk.get_by_role("alert").get_by_text("Stopped").wait_for()


def _choose(page: Any, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.mark.parametrize("tab", ["Portrait", "Template", "People", "Batch", "Compare", "Check"])
def test_a_phone_is_wide_enough(phone: Any, tab: str) -> None:
    names = phone.get_by_role("tab", name=tab, exact=True)
    if not names.first.is_visible():  # in the menu of tabs that found no room
        phone.locator(".overflow-menu button").first.click()
        names = phone.get_by_text(tab, exact=True)
    names.last.click()
    phone.wait_for_timeout(500)
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if tab == "Portrait":
        _picture(phone, "phone")


def test_the_keyboard_is_enough(desk: Any) -> None:
    """Tab by tab through the form: each control in the order it is read, each with a name and a visible ring."""
    names = []
    for _ in range(40):
        desk.keyboard.press("Tab")
        names.append(_focused(desk))
        if names[-1] == "Draw":
            break
    expected = ["Portrait", "Who", "What the picture shows", "Style", "Draw"]
    places = [next(place for place, one in enumerate(names) if name in one) for name in expected]
    assert places == sorted(places), names
    assert all(names), names
    assert desk.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    desk.keyboard.press("Enter")
    desk.get_by_role("alert").get_by_text("No photo was given").wait_for()


def _focused(page: Any) -> str:
    """What a screen reader would call the element that has the focus."""
    return page.evaluate("""() => {
        const one = document.activeElement;
        const labels = one.labels ? [...one.labels].map(label => label.innerText) : [];
        const around = one.closest('label');
        return [one.getAttribute('aria-label'), ...labels, around && around.innerText, one.innerText, one.title,
                one.placeholder].find(Boolean) || '';
    }""")


def test_two_windows_have_their_own_pictures(browser: Any, address: str) -> None:
    ends = []
    for _ in range(2):
        context = browser.new_context(viewport=DESK)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_role("button", name="Draw", exact=True).wait_for()
        _choose(page, "Who", "The example person")
        page.get_by_role("button", name="Draw", exact=True).click()
        ends.append((context, page))
    for context, page in ends:
        page.locator("#portrait-status").get_by_text("Done: 4 pictures").wait_for()
        context.close()
