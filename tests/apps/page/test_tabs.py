"""Each tab without a browser: it does what the command does, and says what is wrong."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.page import style_gallery, workbench
from limner.apps.page.events import answers
from limner.apps.page.fields import A_PHOTO, INVENTED, dials_of
from limner.apps.page.runs import Told
from limner.apps.page.tabs import batch, check, compare, portrait, template
from limner.apps.page.workbench import Workbench
from limner.core.assets import asset_path
from limner.core.errors import ConfigError, ImageError, InputError, NoFaceError, PromptError
from limner.core.images import read_image, write_png
from limner.identity.identity import Identity
from limner.trust.checking import check_picture
from tests.apps.page.conftest import DIALS, PROMPT
from tests.apps.page.following import finished

STYLE = style_gallery.NO_STYLE


def drawn(
    bench: Workbench, *, who: str = A_PHOTO, photo: str | None = None, prompt: str = PROMPT, count: int = 1
) -> Any:
    return portrait.draw(bench, "me", who, photo, prompt, STYLE, count, 1, *DIALS)


def test_a_portrait_of_a_photo_is_marked_and_told_step_by_step(bench: Workbench, photo: str) -> None:
    told, shown = finished(drawn(bench, photo=photo, count=2))
    pictures, files = shown.values[0], shown.values[1]["value"]
    assert [caption.split(",")[0] for _, caption in pictures] == ["Seed 7", "Seed 8"]
    assert check_picture(pictures[0][0]).status == "marked"
    assert {Path(file).name for file in files} == {
        "portrait-7.png",
        "portrait-8.png",
        "contact-sheet.png",
        "portrait.json",
    }
    assert all(Path(file).is_relative_to(bench.folder) for file in files)
    assert "drawing" in {one.stage for one in told}
    assert "2 pictures" in shown.note


def test_the_example_and_a_card_are_people_too(bench: Workbench, person: Identity) -> None:
    person.save(bench.people.new_card("Anna"))
    for who in (INVENTED, "Anna"):
        assert finished(drawn(bench, who=who))[1].values[0]


def test_an_invented_person_is_whom_the_sentence_names(bench: Workbench) -> None:
    files = finished(drawn(bench, who=INVENTED, prompt="a photo of Alma Verin"))[1].values[1]["value"]
    [record] = [json.loads(Path(file).read_text()) for file in files if file.endswith(".json")]
    assert record["references"] == ["alma-verin.webp"]


def test_the_same_seed_on_the_page_and_in_python_gives_the_same_picture(bench: Workbench, person: Identity) -> None:
    [(path, _)] = finished(drawn(bench, who=INVENTED))[1].values[0]
    [there] = bench.studio.portrait(person, PROMPT, seed=7, num_steps=2, guidance_scale=2.0)
    difference = np.abs(read_image(path).astype(int) - there.image)
    assert difference.mean() < 3  # the watermark


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, InputError, "no photo was given"),
        ({"who": "Nobody"}, InputError, "nobody called 'Nobody'"),
        ({"who": INVENTED, "prompt": " "}, PromptError, "the prompt is missing"),
        ({"photo": "/nowhere/me.jpg"}, ImageError, "there is no such file"),
    ],
)
def test_what_is_missing_is_named(bench: Workbench, given: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        finished(drawn(bench, **given))


def test_a_photo_without_a_face_is_told_in_words_and_the_buttons_come_back(bench: Workbench, wall: str) -> None:
    states = list(answers(bench, drawn(bench, photo=wall), 2))
    line, go, stop = states[-1][:3]
    assert "No face was found" in line
    assert 'role="alert"' in line
    assert str(bench.folder) not in line
    assert (go["interactive"], stop["interactive"]) == (True, False)
    busy = states[0][1:3]
    assert (busy[0]["interactive"], busy[1]["interactive"]) == (False, True)


def test_what_should_not_happen_is_logged_and_not_shown(bench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Any:
        yield Told("on it")
        raise ZeroDivisionError("inner secret")

    line = list(answers(bench, broken(), 1))[-1][0]
    assert "inner secret" not in line
    assert "inner secret" in caplog.text


def test_only_dials_that_were_moved_are_given_so_that_styles_count(bench: Workbench) -> None:
    base = bench.studio.assembly.base
    own, pull = base.guidance_scale, base.identity_guidance
    assert dials_of(bench, [0, 0.8, pull, own, 25.0, ""]) == {}
    moved = dials_of(bench, [1.0, 0.9, 0.0, own + 1, 30.0, "hat"])
    assert moved == {
        "seed": 1,
        "adapter_scale": 0.9,
        "identity_guidance": 0.0,
        "guidance_scale": own + 1,
        "num_steps": 30,
        "negative_prompt": "hat",
    }
    with pytest.raises(InputError, match="seed is missing"):
        dials_of(bench, [None, 0.8, pull, own, 25, ""])


def test_a_theme_of_styles_is_drawn_of_the_person(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.__dict__["styles"] = [one for one in bench.styles if one.name in ("pencil", "sepia", "navy-suit")]
    _, shown = finished(style_gallery.draw(bench, "me", INVENTED, None, "medium"))
    pictures, names = shown.values
    assert names == ["pencil", "sepia"]
    assert [title for _, title in pictures] == [one.style.title for one in bench.styles if one.theme == "medium"]
    with pytest.raises(ConfigError, match="no theme"):
        finished(style_gallery.draw(bench, "me", INVENTED, None, "nothing"))


def two_people(bench: Workbench) -> str:
    path = bench.files / "two.png"
    small = read_image(asset_path("example/person.jpg"))[::2, ::2]
    write_png(path, np.hstack([small, small]))
    return str(path)


def test_a_template_shows_its_faces_and_changes_the_chosen_one_only(bench: Workbench) -> None:
    path = two_people(bench)
    faces, seen, place, line = template.look(bench, path)
    assert len(faces) == 2
    assert (seen["visible"], place["visible"]) == (True, True)
    assert "2 faces" in line
    assert template.nearest(faces, *faces[1].center) == 1
    assert template.nearest(faces, 0, 0) == 0
    work = template.draw(bench, "me", path, 1, INVENTED, None, "face", "", 0.6, *DIALS)
    shown = finished(work)[1]
    before, after = read_image(path), read_image(shown.values[0])
    half = before.shape[1] // 2
    assert np.array_equal(before[:, :half], after[:, :half])
    assert not np.array_equal(before[:, half:], after[:, half:])


def test_a_template_without_a_face_or_without_a_picture_is_told(bench: Workbench, wall: str) -> None:
    assert "No face was found" in template.look(bench, wall)[3]
    assert template.look(bench, None)[3] == ""
    with pytest.raises(InputError, match="no picture was given"):
        finished(template.draw(bench, "me", None, None, INVENTED, None, "face", "", 0.6, *DIALS))
    with pytest.raises(NoFaceError):
        finished(template.draw(bench, "me", wall, None, INVENTED, None, "face", "", 0.6, *DIALS))


def test_a_comparison_has_the_same_seeds_without_and_with_the_person_and_with_other_adapters(
    bench: Workbench, miniature_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "adapters").mkdir()
    twin = (miniature_folder / "adapter.safetensors").read_bytes()
    (tmp_path / "adapters" / "without-fair.safetensors").write_bytes(twin)
    object.__setattr__(bench.settings, "adapters", tmp_path / "adapters")
    other = bench.model("without-fair")["opened"]
    assert other.assembly.adapter.path == tmp_path / "adapters" / "without-fair.safetensors"
    assert other.assembly.base is bench.studio.assembly.base
    work = compare.draw(bench, "me", INVENTED, None, PROMPT, 1, ["without-fair"], *DIALS)
    pictures = finished(work)[1].values[0]["value"]
    labels = [caption.split(":")[0] for _, caption in pictures]
    assert labels == [compare.OFF, compare.ON, "without-fair"]
    off, on, other = (read_image(path) for path, _ in pictures)
    assert np.abs(off.astype(int) - on).mean() > np.abs(on.astype(int) - other).mean()
    with pytest.raises(ConfigError, match="no adapter 'elsewhere'"):
        finished(compare.draw(bench, "me", INVENTED, None, PROMPT, 1, ["elsewhere"], *DIALS))


def table(bench: Workbench, text: str) -> str:
    path = bench.files / "rows.csv"
    path.write_text(text)
    return str(path)


def test_a_batch_draws_its_rows_and_tells_which_failed(
    bench: Workbench, photo: str, wall: str, person: Identity
) -> None:
    person.save(bench.people.new_card("Anna"))
    rows = "person,prompt,seed\nme.jpg,a person,1\nAnna.safetensors,a person,2\nwall.png,a person,3\n"
    shown = finished(batch.draw(bench, "me", table(bench, rows), [photo, wall]))[1]
    pictures, wrong, files = shown.values
    assert [caption.split(",")[0] for _, caption in pictures] == ["Row 1", "Row 2"]
    assert "Row 3" in wrong
    assert "no face" in wrong.lower()
    assert "2 of 3 rows" in shown.note
    assert {"grid.png", "batch.json"} <= {Path(file).name for file in files["value"]}


@pytest.mark.parametrize("name", ["/etc/passwd", "../../secret.png", "somebody.jpg", "Anna"])
def test_a_table_reaches_nothing_that_was_not_given(bench: Workbench, photo: str, name: str) -> None:
    with pytest.raises(InputError, match="row 1 names"):
        finished(batch.draw(bench, "me", table(bench, f"person,prompt\n{name},a person\n"), [photo]))


def test_a_batch_needs_a_table_of_a_decent_length(bench: Workbench) -> None:
    with pytest.raises(InputError, match="no table"):
        finished(batch.draw(bench, "me", None, None))
    with pytest.raises(InputError, match="201 rows"):
        finished(batch.draw(bench, "me", table(bench, "person,prompt\n" + "me.jpg,a\n" * 201), None))


def test_the_check_tells_a_marked_picture_from_a_plain_one(bench: Workbench, photo: str) -> None:
    [(path, _)] = finished(drawn(bench, who=INVENTED))[1].values[0]
    told = check.look(bench, path)
    assert "Marked" in told
    assert "drawn by a model" in told
    assert "Unmarked" in check.look(bench, photo)
    assert "no picture was given" in check.look(bench, None).lower()


def test_the_oldest_results_make_room(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "KEPT_RESULTS", 2)
    folders = []
    for number in range(4):
        folders.append(bench.new_folder())
        folders[-1].mkdir()
        os.utime(folders[-1], (number, number))
    assert [folder.exists() for folder in folders] == [False, True, True, True]


def test_nothing_is_left_when_the_page_ends(bench: Workbench) -> None:
    finished(drawn(bench, who=INVENTED))
    assert list(bench.folder.rglob("*.png"))
    assert bench.folder.stat().st_mode & 0o077 == 0
    bench.close()
    assert not bench.folder.exists()
