"""The tabs People, Template, Batch and Compare in headless Chromium, end to end on the packaged model, in few steps."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.page.tabs import compare
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.trust.checking import check_picture
from tests.apps.page.browsing import (
    PHONE,
    PICTURES,
    TWIN,
    alert,
    choose,
    give_files_by_key,
    open_tab,
    panel,
    require_phone_width,
    set_steps,
    tab_to,
    take_picture,
    wait_for_files,
)

pytestmark = pytest.mark.slow
STEPS = 25 if PICTURES else 4


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    """A picture of nobody."""
    path = tmp_path / "wall.png"
    write_png(path, np.full((200, 200, 3), 140, np.uint8))
    return path


def learn(page: Any, name: str) -> None:
    """Make a card of the packaged example person."""
    people = open_tab(page, "People")
    people.locator("#people-photos input[type=file]").set_input_files(asset_path("example/person.jpg"))
    wait_for_files(page, "#people-photos", 1)
    for label, words in (("Name", name), ("Who agreed", "nobody, who does not exist"), ("To what", "this page")):
        people.get_by_label(label).first.fill(words)
    people.get_by_role("button", name="Make the card").click()
    page.locator("#people-list tr").filter(has_text=name).wait_for()


def test_somebody_is_learnt_with_their_consent_and_put_into_a_picture(desk: Any, tmp_path: Path) -> None:
    learn(desk, "Nobody")
    assert "nobody, who does not exist" in desk.locator("#people-list tr").filter(has_text="Nobody").inner_text()
    heads = desk.locator("#people-list thead tr").bounding_box()
    assert heads is not None
    assert heads["height"] < 45  # no word is broken in two
    require_phone_width(desk)
    take_picture(desk, "people")
    face = read_image(asset_path("example/person.jpg"))[::2, ::2]
    before = np.hstack([face, face[:, ::-1]])
    write_png(tmp_path / "two.png", before)
    template = open_tab(desk, "Template")
    template.locator("input[type=file]").first.set_input_files(tmp_path / "two.png")
    desk.locator("#template-status").get_by_text("2 faces were found").wait_for()
    desk.locator("#template-place").get_by_role("radio").nth(1).check()
    choose(desk, "Who", "Nobody")
    set_steps(desk, "Words and dials", STEPS)
    template.get_by_role("button", name="Put into the picture").click()
    desk.locator("#template-status").get_by_text("Done:").wait_for()
    take_picture(desk, "template")
    after = kept(desk, "#template-files", tmp_path)
    assert np.array_equal(after[:, : face.shape[1]], face)  # whose place was not chosen
    assert not np.array_equal(after[:, face.shape[1] :], before[:, face.shape[1] :])
    require_phone_width(desk)


def kept(page: Any, files: str, folder: Path) -> np.ndarray:
    """The first of the files to keep, downloaded; it says what it is."""
    with page.expect_download() as started:
        page.locator(f"{files} a").first.click()
    started.value.save_as(folder / "kept.png")
    assert check_picture(folder / "kept.png").status == "marked"
    return read_image(folder / "kept.png")


def test_a_template_without_a_face_is_told_in_words(desk: Any, wall: Path) -> None:
    template = open_tab(desk, "Template")
    template.locator("input[type=file]").first.set_input_files(wall)
    alert(desk).get_by_text("No face was found").wait_for()
    choose(desk, "Who", "An invented person")
    template.get_by_role("button", name="Put into the picture").click()
    alert(desk).get_by_text("shows nobody whose place could be taken").wait_for()
    assert "limner-page-" not in alert(desk).inner_text()
    assert desk.locator("#template-go").is_enabled()
    assert not desk.locator("#template-place").is_visible()


def test_a_consent_is_asked_for_taken_back_and_the_card_deleted(desk: Any) -> None:
    people = open_tab(desk, "People")
    people.locator("#people-photos input[type=file]").set_input_files(asset_path("example/person.jpg"))
    wait_for_files(desk, "#people-photos", 1)
    people.get_by_label("Name").first.fill("Nobody at all")
    people.get_by_role("button", name="Make the card").click()
    alert(desk).get_by_text("needs the person's consent").wait_for()
    people.get_by_label("Who agreed").fill("nobody")
    people.get_by_label("To what").fill("this page")
    people.get_by_role("button", name="Make the card").click()
    card = desk.locator("#people-list tr").filter(has_text="Nobody at all")
    card.wait_for()
    choose(desk, "Somebody of the list", "Nobody at all")
    people.get_by_role("button", name="Consent taken back").click()
    card.get_by_text("took the consent back").wait_for()
    open_tab(desk, "Compare")
    choose(desk, "Who", "Nobody at all")
    panel(desk).locator("#compare-go").click()
    alert(desk).get_by_text("took the consent back").wait_for()
    people = open_tab(desk, "People")
    choose(desk, "Somebody of the list", "Nobody at all")
    people.get_by_role("button", name="Delete the card").click()
    card.wait_for(state="detached")


def test_a_batch_goes_on_behind_a_row_that_fails_with_the_keyboard_alone(desk: Any, tmp_path: Path, wall: Path) -> None:
    """From the first tab to the last button without a mouse; the dialog that chooses files is the system's own."""
    table = tmp_path / "rows.csv"
    table.write_text("person,prompt,seed\nwall.png,a photo of a person,3\nperson.jpg,a pencil drawing of a person,1\n")
    tab_to(desk, "[role=tab]:nth-of-type(4)")
    desk.keyboard.press("Enter")
    panel(desk).locator("#batch-go").wait_for()
    for field, files in (("#batch-table", [table]), ("#batch-photos", [wall, asset_path("example/person.jpg")])):
        give_files_by_key(desk, f"{field} button", files)
        wait_for_files(desk, field, len(files))
    tab_to(desk, "#batch-go")
    desk.keyboard.press("Enter")
    desk.locator("#batch-status").get_by_text("Done: 1 of 2 rows").wait_for()
    told = desk.locator("#batch-failed").inner_text()
    assert "Row 1" in told
    assert "No face was found" in told
    assert "limner-page-" not in told
    gallery = desk.locator("#batch-gallery")
    assert gallery.locator(".thumbnail-item img").count() == 1
    assert gallery.get_by_text("Row 2, similarity").count() == 1
    assert kept(desk, "#batch-files", tmp_path).shape == (128, 128, 3)
    require_phone_width(desk)
    take_picture(desk, "batch", "#batch-status")


def test_a_table_that_names_somebody_who_was_not_given_is_told_in_words(desk: Any, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("person,prompt\nme.jpg,a photo of a person\n")
    batch = open_tab(desk, "Batch")
    batch.locator("#batch-table input[type=file]").set_input_files(tmp_path / "rows.csv")
    wait_for_files(desk, "#batch-table", 1)
    batch.locator("#batch-go").click()
    alert(desk).get_by_text("Row 1 names 'me.jpg', which is none of the photos given here").wait_for()


def test_the_same_seed_without_and_with_the_person_and_with_another_adapter_on_a_phone(phone: Any) -> None:
    comparison = open_tab(phone, "Compare")
    choose(phone, "Who", "An invented person")
    comparison.get_by_label("number input for Seeds").fill("1")
    comparison.get_by_label("number input for Seeds").press("Tab")
    assert comparison.get_by_role("checkbox", name=TWIN).is_checked()
    set_steps(phone, "Dials", STEPS)
    comparison.locator("#compare-go").tap()
    phone.locator("#compare-status").get_by_text("Done:").wait_for()
    gallery = phone.locator("#compare-gallery")
    for label in (compare.OFF, compare.ON, TWIN):
        assert gallery.get_by_text(f"{label}: seed 7").count() == 1, label
    addresses = gallery.locator(".thumbnail-item img").evaluate_all("all => all.map(one => one.src)")
    off, on, twin = (read_image(phone.request.get(one).body()).astype(int) for one in addresses)
    # The last two differ by their watermarks at the most.
    assert np.abs(off - on).mean() > 4 * np.abs(on - twin).mean() + 1
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    take_picture(phone, "compare", "#compare-status")


@pytest.mark.parametrize(
    ("number", "name", "told"),
    [
        (2, "template", "No picture was given to put somebody into"),
        (3, "people", "No photo was given"),
        (5, "compare", "No photo was given"),
        (6, "check", "No picture was given"),
    ],
)
def test_every_button_is_reached_by_the_tab_key_and_says_what_is_missing(
    desk: Any, number: int, name: str, told: str
) -> None:
    tab_to(desk, f"[role=tab]:nth-of-type({number})")
    desk.keyboard.press("Enter")
    panel(desk).locator(f"#{name}-go").wait_for()
    tab_to(desk, f"#{name}-go")
    desk.keyboard.press("Enter")
    alert(desk).get_by_text(told).wait_for()
