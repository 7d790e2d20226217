"""`limner check` and `limner trust` from end to end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from limner.apps.cli import main
from limner.core.assets import asset_path
from limner.core.consent import Consent
from limner.core.images import read_image, write_png
from limner.identity.identity import Identity
from limner.trust.audit import audit_path
from limner.trust.making import Making
from limner.trust.marks import save_picture

Run = Callable[..., tuple[int, str, str]]
EXAMPLE = asset_path("example/person.jpg")
MAKING = Making(kind="created", model="miniature", adapter="fact", licences=("taef2",), parameters={"seed": 7})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``limner ...`` in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_command


@pytest.fixture
def pictures(run: Run) -> None:
    """marked.png, stripped.jpg, photo.png, broken.png in the working folder."""
    image = read_image(EXAMPLE)[::2, ::2]
    save_picture("marked.png", image, MAKING)
    Image.open("marked.png").save("stripped.jpg", quality=80)
    write_png("photo.png", image)
    data = Path("marked.png").read_bytes()
    start = data.find(b"caBX") - 4
    chunk = data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]
    photo = Path("photo.png").read_bytes()
    Path("broken.png").write_bytes(photo[:33] + chunk + photo[33:])


@pytest.mark.parametrize(
    ("name", "code"), [("marked.png", 0), ("stripped.jpg", 0), ("photo.png", 1), ("broken.png", 3), ("none.png", 2)]
)
def test_exit_codes(run: Run, pictures: None, name: str, code: int) -> None:
    assert run("check", name)[0] == code


def test_of_several_the_worst_counts(run: Run, pictures: None) -> None:
    assert run("check", "marked.png", "photo.png", "stripped.jpg")[0] == 1
    assert run("check", "broken.png", "photo.png", "marked.png")[0] == 3


def test_a_marked_picture_is_told_in_words(run: Run, pictures: None) -> None:
    _, output, errors = run("check", "marked.png")
    assert errors == ""
    for told in (
        "marked.png: marked",
        "drawn by a model; written by Limner",
        "signed by  a computer, number",
        "whom this computer trusts",
        "intact     yes",
        "model      miniature with fact",
        "settings   seed 7",
        "terms      taef2",
        "(app.limner.spread-spectrum.1); by chance in one of 16,384 pictures",
    ):
        assert told in output


def test_a_stranger_is_not_vouched_for(run: Run, pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_DATA_FOLDER", "elsewhere")
    code, output, _ = run("check", "marked.png")
    assert (code, "whom nobody here vouches for" in output) == (0, True)


def test_what_is_broken_or_missing_is_told_in_words(run: Run, pictures: None) -> None:
    output = run("check", "broken.png")[1]
    assert "broken.png: broken" in output
    assert "the picture was changed after it was signed" in output
    assert "intact     no" in output
    output = run("check", "stripped.jpg")[1]
    assert "manifest   none" in output
    assert "watermark" in output
    assert "none found" in run("check", "photo.png")[1]


def test_json_holds_everything(run: Run, pictures: None) -> None:
    code, output, _ = run("check", "marked.png", "photo.png", "--json")
    first, second = json.loads(output)
    assert code == 1
    assert (first["file"], first["status"], second["status"]) == ("marked.png", "marked", "unmarked")
    assert first["manifest"]["making"]["parameters"] == {"seed": 7}
    assert first["manifest"]["watermark"][1] == first["watermark"]["number"]
    assert second["manifest"] is None
    assert second["watermark"] is None


def test_a_person_opts_out(run: Run) -> None:
    assert run("trust", "opt-out", str(EXAMPLE)) == (0, "1 people are on the list.\n", "")
    code, output, _ = run("trust", "log")
    assert code == 0
    assert "opted out" in output
    assert "1 lines, none changed" in output


def test_a_person_on_a_card_opts_out(run: Run, person: Identity) -> None:
    person.save("me.safetensors")
    assert run("trust", "opt-out", "me.safetensors")[1] == "1 people are on the list.\n"


def test_a_consent_is_taken_back(run: Run, person: Identity) -> None:
    from dataclasses import replace

    replace(person, consent=Consent(who="Ana")).save("ana.safetensors")
    code, output, _ = run("trust", "revoke", "ana.safetensors")
    assert (code, "refused from now on" in output) == (0, True)
    again = Identity.load("ana.safetensors").consent
    assert again is not None
    assert again.revoked is not None
    person.save("nobody.safetensors")
    code, _, errors = run("trust", "revoke", "nobody.safetensors")
    assert (code, "holds no consent" in errors) == (2, True)


def test_a_changed_log_is_told(run: Run, pictures: None) -> None:
    audit_path().write_text(audit_path().read_text().replace('"before": ""', '"before": "0"'))
    code, _, errors = run("trust", "log")
    assert (code, "was changed at line 1" in errors) == (2, True)


def test_the_switches_are_shown(run: Run, own_data_folder: Path) -> None:
    assert run("trust", "settings")[1].count(" on") == 6
    own_data_folder.mkdir(parents=True)
    (own_data_folder / "trust.toml").write_text("minors = false\n")
    assert "OFF" in run("trust", "settings")[1]


def test_contact_sheets_and_portraits_are_marked(run: Run, miniature_folder: Path) -> None:
    code, *_ = run(
        *("portrait", "a photo of a person", "--model", str(miniature_folder), "--device", "cpu"),
        *("--steps", "1", "--count", "1"),
    )
    assert code == 0
    _, output, _ = run("check", "out/portrait-0.png", "out/contact-sheet.png", "--json")
    portrait, sheet = json.loads(output)
    assert portrait["manifest"]["source_type"] == "trainedAlgorithmicMedia"
    assert sheet["manifest"]["source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert {portrait["status"], sheet["status"]} == {"marked"}
