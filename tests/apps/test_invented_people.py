"""A name of the invented people is as good as a photo, and in a sentence it is enough."""

import json
from functools import partial
from pathlib import Path

import pytest

from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.images import read_image
from limner.data.invented_people import NAMES
from limner.identity.identity import Identity
from tests.apps.conftest import Exits


@pytest.fixture
def run(command: Exits, miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exits:
    """Run a command on the tiny model."""
    monkeypatch.chdir(tmp_path)

    def run_command(name: str, *arguments: str) -> tuple[int, str, str]:
        return command(name, "--model", miniature_folder, "--device", "cpu", "--steps", "1", *arguments)

    return run_command


def drawn(folder: str) -> bytes:
    return read_image(Path(folder) / "portrait-3.png").tobytes()


def test_whom_the_sentence_names_is_drawn_unless_a_face_is_given(run: Exits, without_watermark: None) -> None:
    one, other = "a photo of Alma Verin", "a photo of Bruno Mosk"
    asked = partial(run, "portrait", "--count", "1", "--seed", "3", "--scale", "4")
    code, _, told = asked(one, "-o", "sentence")
    assert (code, told.strip()) == (0, "No --face was given: drawing Alma Verin, who does not exist.")
    assert asked(one, "--face", "alma verin", "-o", "face")[0] == 0
    assert asked(one, "--face", "Bruno Mosk", "-o", "other")[0] == 0
    assert drawn("sentence") == drawn("face")
    assert drawn("face") != drawn("other")
    record = json.loads(Path("sentence/portrait.json").read_text())
    assert record["references"] == ["alma-verin.webp"]
    assert "generated-people" in {entry["name"] for entry in record["licences"]}
    code, _, told = asked(f"{one} and {other}")
    assert (code, "names Alma Verin and Bruno Mosk" in told) == (2, True)


def test_a_group_is_of_whom_the_sentence_names(run: Exits) -> None:
    assert run("group", "two people, Clio Quist and Alma Verin", "--width", "96")[0] == 0
    assert json.loads(Path("out/group.json").read_text())["people"] == [["clio-quist.webp"], ["alma-verin.webp"]]
    code, _, told = run("group", "two people", "-o", "new")
    assert (code, "give --face for each person" in told, Path("new").exists()) == (2, True, False)


def test_a_table_has_names_in_its_column_or_in_its_sentences(run: Exits) -> None:
    Path("jobs.csv").write_text(
        "person,prompt\nEdda Wendt,a person\n,a photo of Falk Zavik\n,Falk Zavik and Edda Wendt\n,a person\n"
    )
    assert run("batch", "jobs.csv")[0] == 1
    errors = [row.get("error", "") for row in json.loads(Path("out/batch.json").read_text())["rows"]]
    assert errors[:2] == ["", ""]
    assert "names Falk Zavik and Edda Wendt" in errors[2]
    assert "names no person" in errors[3]


def test_an_identity_card_is_made_of_a_name(command: Exits, tmp_path: Path) -> None:
    card = tmp_path / "ines.safetensors"
    assert command("identity", "Ines Fenn", "-o", card)[0] == 0
    assert Identity.load(card).num_photos == 1


def test_everybody_is_listed(command: Exits) -> None:
    code, output, _ = command("people")
    assert code == 0
    assert all(name in output for name in NAMES)


def test_the_base_reads_what_a_name_is(studio: Studio) -> None:
    settings = PortraitSettings.of(prompt="a photo of ALMA VERIN, old, and Bruno Mosk", negative_prompt="hat")
    assert studio.words(settings) == ("a photo of a woman, old, and a man", "hat")
    styled = PortraitSettings.of(prompt="Alma Verin", style="sepia")
    assert "a woman" in studio.words(styled)[0]
