"""Whose glasses: on or off as in the person's photos, unless a sentence speaks of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.apps import inpainting
from limner.apps.assembly import Assembly
from limner.apps.drawing import Row
from limner.apps.evaluation_methods import Enrolment, StudioMethod
from limner.apps.glasses import own_glasses
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.core.images import read_image
from limner.data.invented_people import invented_people, photo_of
from limner.evaluation.protocol import protocol_named
from limner.identity.identity import Identity
from tests.apps.conftest import Exits

PROMPT = "a photo of a person"


@pytest.mark.parametrize(
    ("negative", "wears", "read"),
    [
        ("", True, (f"{PROMPT}, with glasses", "")),
        ("hat", True, (f"{PROMPT}, with glasses", "hat")),
        ("", False, (PROMPT, "with glasses")),
        ("hat", False, (PROMPT, "hat, with glasses")),
        ("hat", None, (PROMPT, "hat")),
    ],
)
def test_photos_say_what_the_words_leave_open(negative: str, wears: bool | None, read: tuple[str, str]) -> None:
    assert own_glasses(PROMPT, negative, wears) == read


@given(
    st.sampled_from(["with glasses", "without glasses", "in SUNGLASSES", "wearing spectacles", "goggles"]),
    st.booleans(),
    st.booleans(),
)
def test_who_speaks_of_glasses_is_obeyed(said: str, against: bool, wears: bool) -> None:
    sentences = (PROMPT, said) if against else (f"{PROMPT}, {said}", "")
    assert own_glasses(*sentences, wears) == sentences


def test_a_portrait_tells_what_was_read_and_words_alone_can_be_had(studio: Studio, person: Identity) -> None:
    def drawn(wears: bool | None, **changes: Any) -> tuple[np.ndarray, tuple[str, str]]:
        [one] = studio.portrait(replace(person, glasses=wears), PROMPT, seed=1, num_steps=2, **changes)
        return one.image, one.read

    (bare, read), (worn, with_them) = drawn(False), drawn(True)
    assert (read, with_them) == ((PROMPT, "with glasses"), (f"{PROMPT}, with glasses", ""))
    assert not np.array_equal(bare, worn)
    for left_open in (drawn(None), drawn(True, glasses="words"), drawn(False, glasses="words")):
        assert left_open[1] == (PROMPT, "")
        assert np.array_equal(left_open[0], drawn(None)[0])
    assert drawn(True, adapter_scale=0)[1] == (PROMPT, "")
    # Unguided, nobody hears the negative sentence, and so nothing is said to have been read there.
    assert drawn(False, guidance_scale=1.0)[1] == (PROMPT, "")
    assert drawn(True, guidance_scale=1.0)[1] == (f"{PROMPT}, with glasses", "")


def test_in_a_template_each_person_wears_their_own(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, draw = read_image(asset_path("example/person.jpg")), inpainting.draw_rows
    rows: list[Row] = []

    def seen(assembly: Assembly, asked: list[Row], *others: Any, **more: Any) -> list[np.ndarray]:
        rows.extend(asked)
        return draw(assembly, asked, *others, **more)

    monkeypatch.setattr(inpainting, "draw_rows", seen)
    pair = np.concatenate([photo, photo[:, ::-1]], axis=1)
    people = [replace(person, glasses=True), replace(person, glasses=False)]
    studio.inpaint(people, pair, PROMPT, num_steps=2)
    assert [(row.prompt, row.negative_prompt) for row in rows] == [
        (f"{PROMPT}, with glasses", ""),
        (PROMPT, "with glasses"),
    ]


def test_a_photo_shows_whether_glasses_are_worn(studio: Studio, person: Identity) -> None:
    told = {one.name: {"yes": True, "no": False, "unknown": None}[one.glasses] for one in invented_people()[:30]}
    assert {True, False} <= set(told.values())
    for name, wears in told.items():
        # Measured on the larger picture; between two bounds it stays open on either.
        assert wears is None or studio.identity(photo_of(name)).glasses in (wears, None), name
    assert person.glasses is False
    [with_them, without] = [photo_of(next(n for n in told if told[n] is wears)) for wears in (True, False)]
    assert studio.identity(with_them).glasses is True
    assert studio.identity(without).glasses is False


def test_an_evaluation_draws_by_its_own_rule(studio: Studio, person: Identity) -> None:
    def drawn(**rules: Any) -> np.ndarray:
        method = StudioMethod(studio, Enrolment(studio), protocol_named("quick", steps=2, **rules))
        return method.draw(person, PROMPT, seed=1, count=1)[0]

    by_words = studio.portrait(person, PROMPT, seed=1, num_steps=2, glasses="words")[0].image
    assert np.array_equal(drawn(glasses="words"), by_words)
    assert not np.array_equal(drawn(), by_words)
    with pytest.raises(ConfigError, match="glasses"):
        protocol_named("quick", glasses="never")


def test_the_command_tells_what_the_base_read(
    command: Exits, miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ("portrait", PROMPT, "--model", miniature_folder, "--device", "cpu", "--steps", "1", "--count", "1")
    code, output, _ = command(*asked, "--negative", "hat")
    assert (code, f"The base read: {PROMPT}; and against: hat, with glasses\n" in output) == (0, True)
    read = json.loads(Path("out/portrait.json").read_text())["read_by_the_base"]
    assert read == {"prompt": PROMPT, "negative_prompt": "hat, with glasses"}
    assert f"The base read: {PROMPT}\n" in command(*asked, "--glasses", "words")[1]
    code, _, errors = command(*asked, "--glasses", "never")
    assert (code, "glasses" in errors) == (2, True)
