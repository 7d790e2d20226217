"""A page that was started as a user starts it, and windows of headless Chromium that look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from limner.core.assets import asset_path

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
PATIENCE = 180_000
"""Milliseconds for the slowest step on a machine that has much else to do."""
PICTURES = os.environ.get("LIMNER_PICTURES")
PHONE = {"width": 375, "height": 760}
DESK = {"width": 1180, "height": 860}
TWIN = "the-same-again"
"""An adapter of the user's own, for the tab Compare: a copy of the model's."""


@pytest.fixture(scope="package")
def playwright() -> Any:
    """The package that drives the browser; without it or the browser the tests are skipped."""
    found = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'limner[browser]'")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}: apt-get install chromium")
    return found


@pytest.fixture(scope="package")
def address(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that was started as a user starts it; one for all files of tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    people, log = tmp_path_factory.mktemp("people"), tmp_path_factory.mktemp("log") / "page.log"
    adapters = tmp_path_factory.mktemp("adapters")
    shutil.copy(asset_path("miniature/adapter.safetensors"), adapters / f"{TWIN}.safetensors")
    program = "from limner.apps.cli import main; main()"
    command = [sys.executable, "-c", program, "ui", "--port", str(port), "--people", str(people)]
    # Keys and consents that were taken back belong to this test, not to whoever runs it.
    own = {**os.environ, "LIMNER_DATA_FOLDER": str(tmp_path_factory.mktemp("data"))}
    with log.open("w") as written:
        server = subprocess.Popen(
            [*command, "--adapters", str(adapters)], stdout=written, stderr=subprocess.STDOUT, env=own
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/", server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(30)
    assert "Traceback" not in log.read_text()


def _wait_for(address: str, server: subprocess.Popen) -> None:
    for _ in range(480):
        assert server.poll() is None, "the page did not start"
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail("the page did not answer")


@pytest.fixture(scope="module")
def browser(playwright: Any) -> Iterator[Any]:
    """Of one module only: while it is open no other test could run a loop of its own."""
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
    page = opened(context)
    elsewhere: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: None if _is_own(request.url, address) else elsewhere.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    show(page, address)
    yield page
    context.close()
    assert (elsewhere, failed) == ([], [])


def opened(context: Any) -> Any:
    """An empty page that waits as long as it takes."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    return page


def show(page: Any, address: str) -> None:
    """Go there, and wait until everything is drawn."""
    page.goto(address)
    page.get_by_role("button", name="Draw", exact=True).wait_for()


def _is_own(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def take_picture(page: Any, name: str, at: str = "body") -> None:
    """For the docs, where LIMNER_PICTURES names their folder; ``at`` is what stands at the upper edge."""
    if PICTURES:
        page.locator(at).first.evaluate("one => one.scrollIntoView()")
        page.wait_for_timeout(800)
        seen = Image.open(BytesIO(page.screenshot()))
        seen.save(Path(PICTURES) / f"page-{name}.webp", quality=85, method=6)


def open_tab(page: Any, tab: str) -> Any:
    """What the tab shows; on a phone it may be in the menu of those that found no room."""
    names = page.get_by_role("tab", name=tab, exact=True)
    if not names.first.is_visible():
        page.locator(".overflow-menu button").first.click()
        names = page.get_by_text(tab, exact=True)
    names.last.click()
    return panel(page)


def panel(page: Any) -> Any:
    """The fields of the tab that is open."""
    return page.get_by_role("tabpanel").filter(visible=True)


def choose(page: Any, label: str, option: str) -> None:
    """Choose one of a list."""
    panel(page).get_by_label(label, exact=True).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def set_steps(page: Any, accordion: str, steps: int) -> None:
    """Open the dials and set one."""
    panel(page).get_by_role("button", name=accordion).click()
    number = panel(page).get_by_label("number input for Steps").first
    number.fill(str(steps))
    number.press("Tab")


def wait_for_files(page: Any, field: str, count: int) -> None:
    """Until so many files have arrived; their names are shown before that, a link to each only then."""
    page.locator(f"{field} a").nth(count - 1).wait_for()


def alert(page: Any) -> Any:
    """What went wrong, as a screen reader would say it."""
    return page.get_by_role("alert")


def require_phone_width(page: Any) -> None:
    """Nothing is wider than a phone, with all that is shown now."""
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(DESK)


def focused(page: Any) -> str:
    """What a screen reader would call the element that has the focus."""
    return page.evaluate("""() => {
        const one = document.activeElement;
        const labels = one.labels ? [...one.labels].map(label => label.innerText) : [];
        const around = one.closest('label');
        return [one.getAttribute('aria-label'), ...labels, around && around.innerText, one.innerText, one.title,
                one.placeholder].find(Boolean) || '';
    }""")


def tab_to(page: Any, selector: str) -> None:
    """Press the Tab key until an element has the focus; each on the way has a name, and this one a visible ring."""
    seen = []
    while not page.evaluate("selector => document.activeElement.matches(selector)", selector):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if len(seen) > 60:
            pytest.fail(f"the Tab key does not lead to {selector}, only to {seen}")
    assert all(seen), seen
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def give_files_by_key(page: Any, selector: str, files: Sequence[Path]) -> None:
    """Let a key open the system's dialog on a button, as often as it takes: gradio misses a key while it draws anew."""
    from playwright.sync_api import TimeoutError as NotInTimeError

    for _ in range(8):
        tab_to(page, selector)
        try:
            with page.expect_file_chooser(timeout=5000) as chooser:
                page.keyboard.press("Space")
        except NotInTimeError:
            continue
        chooser.value.set_files(files)
        return
    pytest.fail(f"no key opens the dialog of {selector}")
