"""The rules hold where pictures are made: in the studio, on the command line, for cards."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from limner.apps import guard
from limner.apps.cli import main
from limner.apps.guard import UNGUARDED, Guard
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.consent import Consent
from limner.core.errors import ConsentError, RefusedError
from limner.core.images import read_image
from limner.identity.identity import Identity
from limner.identity.recognition import GuideRecognizer
from limner.trust import opt_outs
from limner.trust.audit import audit_path, read_log
from limner.trust.checking import check_picture
from limner.trust.consent import revoke
from limner.trust.settings import TrustSettings

PROMPT = "a photo of a person, smiling"
EXAMPLE = asset_path("example/person.jpg")
PHOTO = read_image(EXAMPLE)


def enrolled(guarding: Guard) -> Identity:
    return guarding.enrol(EXAMPLE, recognizers=[GuideRecognizer()])


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float | None], None]:
    """Let every picture have a score and every face an age."""

    def let(score: float, age: float | None) -> None:
        monkeypatch.setattr(guard, "explicit_score", lambda image: score)
        monkeypatch.setattr(guard, "apparent_age", lambda image, face: age)

    return let


def test_a_photo_is_enrolled_with_its_apparent_age(scored: Callable) -> None:
    scored(0.01, 34.0)
    assert enrolled(Guard()).apparent_age == 34
    scored(0.01, None)
    assert enrolled(Guard()).apparent_age is None


def test_explicit_photos_are_refused_and_written_down(scored: Callable) -> None:
    scored(0.9, 34.0)
    with pytest.raises(RefusedError, match="a photo that was given looks explicit"):
        enrolled(Guard())
    line = read_log()[-1]
    assert (line["event"], line["where"]) == ("refused", "a photo that was given")


@pytest.mark.parametrize("age", [16.0, None])
def test_possible_minors_in_suggestive_photos_are_refused(scored: Callable, age: float | None) -> None:
    scored(0.5, age)
    with pytest.raises(RefusedError):
        enrolled(Guard())
    scored(0.5, 30.0)
    assert enrolled(Guard()).apparent_age == 30


def test_explicit_requests_are_refused_before_anything_is_drawn(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.apps.portraits.draw_rows", lambda *_: pytest.fail("something was drawn"))
    for prompt in ("a nude person", "a little girl in a bikini"):
        with pytest.raises(RefusedError):
            studio.portrait(person, prompt)
    with pytest.raises(RefusedError, match="may be a minor"):
        studio.portrait(replace(person, apparent_age=15.0), "a person in a swimsuit")
    with pytest.raises(RefusedError, match="no age could be estimated"):
        studio.portrait(replace(person, apparent_age=None), "a person in a swimsuit")
    assert [line["event"] for line in read_log()] == ["refused"] * 4
    assert "person in a swimsuit" not in audit_path().read_text()


def test_explicit_pictures_do_not_come_out(studio: Studio, person: Identity, scored: Callable) -> None:
    scored(0.95, 34.0)
    with pytest.raises(RefusedError, match="a picture that was drawn looks explicit"):
        studio.portrait(person, PROMPT, num_steps=1)


def test_suggestive_pictures_of_possible_minors_do_not_come_out(scored: Callable) -> None:
    scored(0.5, 15.0)
    with pytest.raises(RefusedError, match="may be a minor"):
        Guard().picture(PHOTO, PROMPT)
    scored(0.5, 30.0)
    Guard().picture(PHOTO, PROMPT)
    scored(0.1, 15.0)
    Guard().picture(PHOTO, PROMPT)


def test_cards_whose_consent_does_not_hold_are_refused(studio: Studio, person: Identity) -> None:
    yesterday = date.today() - timedelta(days=1)
    expired = replace(person, consent=Consent(who="Ana", until=yesterday))
    with pytest.raises(ConsentError, match="ended on"):
        studio.portrait(expired, PROMPT, num_steps=1)
    agreed = Consent(who="Ana")
    studio.portrait(replace(person, consent=agreed), PROMPT, num_steps=1)
    revoke(agreed)
    with pytest.raises(ConsentError, match="took the consent back"):
        studio.portrait(replace(person, consent=agreed), PROMPT, num_steps=1)


def test_people_who_opted_out_are_refused(studio: Studio, person: Identity) -> None:
    opt_outs.opt_out({space: person.features[space].embedding.numpy() for space in guard.SAME_PERSON})
    with pytest.raises(RefusedError, match="opted out"):
        studio.portrait(person, PROMPT, num_steps=1)
    studio.portrait(None, PROMPT, num_steps=1, adapter_scale=0)


@pytest.mark.parametrize(
    ("rule", "prompt"),
    [("explicit_content", "a nude one"), ("minors", "a girl in a bikini"), ("consent", PROMPT), ("opt_outs", PROMPT)],
)
def test_a_rule_that_is_switched_off_says_so_in_the_log(person: Identity, rule: str, prompt: str) -> None:
    opt_outs.opt_out({space: person.features[space].embedding.numpy() for space in guard.SAME_PERSON})
    late = Consent(until=date(2020, 1, 1))
    about = replace(person, consent=late if rule == "consent" else None, apparent_age=40.0)
    others = {"opt_outs": False, "minors": rule == "minors"} if rule != "opt_outs" else {}
    on, off = TrustSettings(**others), TrustSettings(**{**others, rule: False})
    with pytest.raises(RefusedError):
        Guard(on).request(prompt, about)
    Guard(off).request(prompt, about)
    assert rule in str(read_log()[-1]["off"])


def test_settings_are_read_anew(own_data_folder: Path, scored: Callable) -> None:
    scored(0.95, 34.0)
    standing = Guard()
    with pytest.raises(RefusedError):
        standing.picture(PHOTO, PROMPT)
    (own_data_folder / "trust.toml").write_text("explicit_content = false\n")
    standing.picture(PHOTO, PROMPT)


def test_measuring_is_not_guarded(person: Identity, scored: Callable) -> None:
    scored(0.95, 5.0)
    UNGUARDED.request("a nude person", person)
    UNGUARDED.picture(PHOTO, PROMPT)
    assert enrolled(UNGUARDED).apparent_age is None


def test_a_saved_portrait_says_what_it_is(studio: Studio, person: Identity, tmp_path: Path) -> None:
    portrait = studio.portrait(person, PROMPT, seed=7, num_steps=1)[0]
    portrait.save(tmp_path / "me.png")
    verdict = check_picture(tmp_path / "me.png")
    assert verdict.manifest is not None
    assert verdict.manifest.making is not None
    making = verdict.manifest.making
    assert (verdict.status, verdict.manifest.source_type) == ("marked", "trainedAlgorithmicMedia")
    assert making.parameters["seed"] == 7
    assert making.model == studio.assembly.base.name.rsplit("/", 1)[-1]
    assert making.adapter is not None
    assert making.adapter.startswith("fact, sha256 ")
    assert "miniature-base" in making.licences
    data = (tmp_path / "me.png").read_bytes()
    assert PROMPT.encode() not in data
    assert str(tmp_path).encode() not in data


def test_without_the_adapter_none_is_named(studio: Studio) -> None:
    assert studio.portrait(None, PROMPT, num_steps=1, adapter_scale=0)[0].making.adapter is None


def test_the_command_line_refuses_with_exit_code_2(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["portrait", "--model", str(miniature_folder), "--device", "cpu", "--steps", "1", "a nude person"])
    assert stopped.value.code == 2
    assert "explicit content" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pixels_do_not_depend_on_the_guard(studio: Studio, person: Identity) -> None:
    guarded = studio.portrait(person, PROMPT, num_steps=1)[0].image
    free = Studio(studio.assembly, UNGUARDED).portrait(person, PROMPT, num_steps=1)[0].image
    assert np.array_equal(guarded, free)
