"""The folder of identity cards: names that are no paths, consent that is asked for, shown, taken back."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from limner.apps.page.people import People
from limner.apps.page.tabs import people as tab
from limner.apps.page.workbench import Workbench
from limner.core.consent import Consent
from limner.core.errors import ConsentError, InputError
from limner.identity.identity import Identity
from tests.apps.page.following import finished


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DATA_FOLDER", str(tmp_path / "data"))


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path / "people")


def test_somebody_is_learnt_with_their_consent_and_listed(bench: Workbench, photo: str) -> None:
    work = tab.make(bench, "me", " Anna ", [photo], "Anna herself", "the album", "2099-01-31", 0)
    _, shown = finished(work)
    assert shown.values == (1,)
    assert "Anna is here now" in shown.note
    [anna] = bench.people.listed()
    assert (anna.name, anna.num_photos, anna.problem) == ("Anna", 1, "")
    assert "Anna herself" in anna.consent
    assert "until 2099-01-31" in anna.consent
    assert "the album" in tab.table(bench)
    assert bench.studio.similarity_space in Identity.load(bench.people.card("Anna")).features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": None}, "no photo was given"),
        ({"photos": ["a.jpg"] * 17}, "at most 16"),
        ({"who": " "}, "needs the person's consent"),
        ({"purpose": ""}, "needs the person's consent"),
        ({"until": "tomorrow"}, "is no day"),
        ({"name": "../anna"}, "needs a name of letters"),
    ],
)
def test_a_card_needs_everything(bench: Workbench, photo: str, change: dict, message: str) -> None:
    given = {"name": "Anna", "photos": [photo], "who": "Anna", "purpose": "album", "until": "", "number": 0} | change
    with pytest.raises(InputError, match=message):
        finished(tab.make(bench, "me", **given))
    assert bench.people.names() == []


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "x" * 62, "a\0b"]
)
def test_a_name_is_never_a_path(people: People, name: str) -> None:
    with pytest.raises(InputError, match="needs a name"):
        people.new_card(name)
    with pytest.raises(InputError, match="there is nobody called"):
        people.card(name)


def test_a_name_is_taken_once(people: People, person: Identity) -> None:
    person.save(people.new_card("Anna"))
    with pytest.raises(InputError, match="already"):
        people.new_card("anna")


def test_a_consent_that_ended_is_told(people: People, person: Identity) -> None:
    over = Consent(who="Anna", given=date.today() - timedelta(days=9), until=date.today() - timedelta(days=1))
    replace(person, consent=over).save(people.new_card("Anna"))
    assert "the consent ended" in people.listed()[0].problem


def test_a_consent_is_taken_back_and_a_card_deleted(bench: Workbench, person: Identity) -> None:
    replace(person, consent=Consent(who="Anna", given=date.today())).save(bench.people.new_card("Anna"))
    told, number = tab.change(bench, "revoke", "Anna", 3)
    assert number == 4
    assert "taken back" in told
    assert "took the consent back" in bench.people.listed()[0].problem
    told, number = tab.change(bench, "delete", "Anna", 4)
    assert number == 5
    assert bench.people.names() == []
    told, number = tab.change(bench, "delete", None, 5)
    assert number == 5
    assert "nobody was chosen" in told.lower()


def test_a_card_without_consent_cannot_be_taken_back(people: People, person: Identity) -> None:
    person.save(people.new_card("Anna"))
    with pytest.raises(ConsentError, match="holds no consent"):
        people.revoke("Anna")
    assert people.listed()[0].consent == "nothing was written down"


def test_a_broken_card_is_listed_with_what_is_wrong(people: People) -> None:
    people.new_card("Anna").write_text("nothing")
    assert "safetensors" in people.listed()[0].problem


def test_names_are_shown_as_text(bench: Workbench, person: Identity) -> None:
    replace(person, consent=Consent(who="<b>Anna</b>")).save(bench.people.new_card("Anna"))
    assert "<b>" not in tab.table(bench)
