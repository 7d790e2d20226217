"""`limner portrait` from end to end on a tiny model: what it writes, what it prints, what it refuses."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limner.apps import bases, portrait_job
from limner.apps.contact_sheet import PAPER
from limner.core.assets import asset_path
from limner.core.images import read_image, write_png
from limner.identity.identity import Identity
from limner.trust.checking import check_picture
from tests.apps.conftest import Exits
from tests.apps.tiny_models import tiny_fact
from tests.contracts.backbones import sd15

PROMPT = "a photo of a person, smiling"
EXAMPLE = asset_path("example/person.jpg")


@pytest.fixture
def run(command: Exits, miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exits:
    """Run ``limner portrait`` on the tiny model."""
    monkeypatch.chdir(tmp_path)
    return partial(command, "portrait", "--model", miniature_folder, "--device", "cpu", "--steps", "2")


def pixels_of(folder: Path) -> dict[str, bytes]:
    """Of every picture; the files differ from run to run, since C2PA puts chance into each manifest."""
    return {path.name: read_image(path).tobytes() for path in sorted(folder.iterdir()) if path.suffix == ".png"}


def test_portraits_of_a_photo(run: Exits, miniature_folder: Path) -> None:
    code, output, errors = run("--face", str(EXAMPLE), PROMPT, "--count", "2", "--seed", "7", "-o", "new/out")
    assert (code, errors.strip()) == (0, "")
    folder = Path("new/out")
    names = ["contact-sheet.png", "portrait-7.png", "portrait-8.png", "portrait.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert read_image(folder / "portrait-7.png").shape == (64, 64, 3)
    assert read_image(folder / "contact-sheet.png").shape[1] > 3 * 128  # reference and two pictures, enlarged
    for told in ("portrait-7.png", "portrait-8.png", "new/out/contact-sheet.png"):
        assert told in output
    record = json.loads((folder / "portrait.json").read_text())
    assert record["settings"]["prompt"] == PROMPT
    assert record["settings"]["num_steps"] == 2
    assert record["settings"]["guidance_scale"] == 2.0
    assert record["pictures"][1] == {"file": "portrait-8.png", "seed": 8, "identity_similarity": None}
    assert record["references"] == ["person.jpg"]
    assert record["recognizer"] == {"feature_space": "mobilefacenet-faceplugin-arcface112", "role": "guide"}
    assert re.fullmatch("[0-9a-f]{64}", record["adapter"]["sha256"])
    assert record["model"]["kind"] == "miniature"
    licences = {entry["name"]: entry for entry in record["licences"]}
    assert licences["miniature-base"]["because_of"] == ["random-face", "stylegan2-ffhq"]
    assert {"miniature-adapter", "miniature-encoder", "fr_feature", "yunet", "bisenetv2"} <= set(licences)
    assert set(record["seconds"]) == {"opening the model", "looking at the face", "drawing"}
    assert set(record["versions"]) == {"python", "limner", "torch", "diffusers", "transformers", "numpy"}


def test_the_same_seed_gives_the_same_pixels_and_another_one_others(run: Exits) -> None:
    for folder, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert run("--face", str(EXAMPLE), PROMPT, "--count", "2", "--seed", seed, "-o", folder)[0] == 0
    first, again, other = (pixels_of(Path(folder)) for folder in "abc")
    assert len(first) == 3
    assert first == again
    assert first["contact-sheet.png"] != other["contact-sheet.png"]
    assert first["portrait-7.png"] != other["portrait-8.png"]


def test_without_a_face_the_example_person_is_drawn_and_named(run: Exits) -> None:
    code, _, errors = run(PROMPT, "--count", "1")
    assert code == 0
    assert "the packaged example person, who does not exist" in errors
    assert json.loads(Path("out/portrait.json").read_text())["references"] == ["person.jpg"]


def test_a_card_stands_for_the_photo(run: Exits, person: Identity) -> None:
    person.save("me.identity.safetensors")
    assert run("--face", "me.identity.safetensors", PROMPT, "--count", "1", "-o", "card")[0] == 0
    assert run("--face", str(EXAMPLE), PROMPT, "--count", "1", "-o", "photo")[0] == 0
    card, photo = pixels_of(Path("card")), pixels_of(Path("photo"))
    assert card["portrait-0.png"] == photo["portrait-0.png"]
    assert card["contact-sheet.png"] != photo["contact-sheet.png"]  # no reference to show
    names = {entry["name"] for entry in json.loads(Path("card/portrait.json").read_text())["licences"]}
    assert "bisenetv2" not in names
    code, _, errors = run("--face", "me.identity.safetensors", "--face", str(EXAMPLE), PROMPT)
    assert (code, "give it alone" in errors) == (2, True)


def test_several_photos_and_the_choice_of_a_face(run: Exits) -> None:
    small = read_image(EXAMPLE)[::3, ::3]
    write_png("two.png", np.hstack([small, small]))
    code, _, _ = run("--face", "two.png", "--face", str(EXAMPLE), "--face-index", "1", "--face-index", "0", PROMPT)
    assert code == 0
    assert json.loads(Path("out/portrait.json").read_text())["references"] == ["two.png", "person.jpg"]
    code, _, errors = run("--face", "two.png", "--face-index", "2", PROMPT)
    assert (code, "2 faces, numbered 0 to 1" in errors) == (2, True)
    assert run("--face", "two.png", "--face", "two.png", "--face-index", "0", PROMPT)[0] == 0


def test_other_files_in_the_folder_stay(run: Exits) -> None:
    Path("out").mkdir()
    Path("out/notes.txt").write_text("mine")
    assert run(PROMPT, "--count", "1", "--scale", "0")[0] == 0
    assert Path("out/notes.txt").read_text() == "mine"
    assert Path("out/portrait-0.png").exists()


def _truncated(path: Path) -> None:
    path.write_bytes(EXAMPLE.read_bytes()[:9000])


def _wall(path: Path) -> None:
    write_png(path.with_suffix(".png"), np.full((200, 200, 3), 140, np.uint8))
    path.with_suffix(".png").rename(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.touch(), "not a picture"),
        (lambda path: path.write_text("a letter"), "not a picture"),
        (_truncated, "damaged or cut short"),
        (lambda path: path.mkdir(), "not a file"),
        (_wall, "No face was found"),
    ],
)
def test_a_photo_that_cannot_serve_is_refused_and_nothing_is_written(
    run: Exits, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(Path("me.jpg"))
    code, output, errors = run("--face", "me.jpg", PROMPT, "-o", "new")
    assert (code, output) == (2, "")
    assert "me.jpg" in errors
    assert message in errors
    assert not Path("new").exists()


def test_an_unreadable_photo_does_not_cost_the_opening_of_a_model(run: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("limner.apps.studio.Studio.open", lambda *_, **__: pytest.fail("the model was opened"))
    code, _, errors = run("--face", str(EXAMPLE), "--face", "none.jpg", PROMPT)
    assert (code, "none.jpg: there is no such file" in errors) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the prompt is missing; say what the picture shows"),
        (["  "], "the prompt is missing"),
        ([PROMPT, "--count", "0"], "count = 0"),
        ([PROMPT, "--steps", "0"], "num_steps = 0"),
        ([PROMPT, "--seed", "-1"], "seed = -1"),
        ([PROMPT, "--scale", "-1"], "adapter_scale = -1.0"),
        ([PROMPT, "--guidance", "0"], "guidance_scale = 0.0"),
        ([PROMPT, "--width", "70"], "width = 70"),
        ([PROMPT, "--model", "nowhere"], "there is no model 'nowhere'"),
        ([PROMPT, "--device", "gpu"], "the device 'gpu' cannot be used"),
        ([PROMPT, "--adapter", "none.safetensors"], "none.safetensors: there is no such file"),
        ([PROMPT, "--face", "none.safetensors"], "none.safetensors: there is no such file"),
    ],
)
def test_bad_requests_exit_with_2_and_write_nothing(run: Exits, arguments: list[str], message: str) -> None:
    code, _, errors = run(*arguments)
    assert code == 2
    assert message in errors
    assert not Path("out").exists()


def test_wrong_adapters_exit_with_2(run: Exits, miniature_folder: Path) -> None:
    code, _, errors = run(PROMPT, "--adapter", str(miniature_folder / "encoder.safetensors"))
    assert (code, "expected a face adapter" in errors.replace("\n", " ")) == (2, True)
    tiny_fact(sd15()).save("other.safetensors")
    code, _, errors = run(PROMPT, "--adapter", "other.safetensors")
    assert (code, "made for another" in errors or "made for this backbone" in errors) == (2, True)
    torch.save({"a": torch.zeros(1)}, "pickle.pt")
    code, _, errors = run(PROMPT, "--adapter", "pickle.pt")
    assert (code, "not a whole safetensors file" in errors) == (2, True)


def test_missing_weights_exit_with_2(run: Exits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "WEIGHTS", tmp_path)
    code, _, errors = run(PROMPT, "--model", "miniature")
    assert (code, "embedded model is missing" in errors) == (2, True)


def test_commercial_use_is_refused_with_the_chain_before_anything_is_drawn(
    run: Exits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limner.apps.studio.Studio.draw", lambda *_, **__: pytest.fail("something was drawn"))
    code, _, errors = run(PROMPT, "--commercial")
    assert code == 2
    assert "miniature-base <- random-face <- stylegan2-ffhq" in errors
    assert not Path("out").exists()


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    run: Exits, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    monkeypatch.setattr("limner.apps.studio.Studio.open", lambda *_, **__: pytest.fail("the model was opened"))
    for folder in ("file", "file/below"):
        code, _, errors = run(PROMPT, "-o", folder)
        assert (code, "choose a folder you may write to" in errors) == (2, True)


def test_a_run_that_breaks_leaves_the_folder_as_it_was(run: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(PROMPT, "--count", "1")[0] == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("limner.apps.portrait_files.write_record", fail)
    with pytest.raises(MemoryError):
        run(PROMPT, "--count", "2", "--seed", "0", "--scale", "0")
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_an_identity_made_for_another_model_is_refused(run: Exits, person: Identity) -> None:
    space = "mobilefacenet-faceplugin-arcface112"
    Identity({space: person.features[space]}, person.quality, person.pose).save("me.safetensors")
    code, _, errors = run("--face", "me.safetensors", PROMPT)
    assert (code, "tiny-vit-arcface112 is needed" in errors) == (2, True)


def test_the_reference_on_the_sheet_is_the_chosen_face() -> None:
    faces = portrait_job.Faces((Path("a"), Path("b")), None, (1,))
    assert list(faces.index_of_each()) == [1, 1]
    assert list(portrait_job.Faces((Path("a"), Path("b")), None, None).index_of_each()) == [None, None]
    assert list(portrait_job.Faces((Path("a"), Path("b")), None, (2, 0)).index_of_each()) == [2, 0]


def test_the_contact_sheet_shows_the_marked_pictures_on_plain_paper(run: Exits) -> None:
    assert run("--face", str(EXAMPLE), PROMPT, "--count", "1", "-o", "out")[0] == 0
    sheet = read_image("out/contact-sheet.png")
    assert (sheet[:, :6] == PAPER).all()
    verdict = check_picture("out/contact-sheet.png")
    assert (verdict.status, verdict.watermark) == ("marked", None)
    assert verdict.manifest is not None
    assert verdict.manifest.source_type == "compositeWithTrainedAlgorithmicMedia"
    picture = Image.fromarray(read_image("out/portrait-0.png")).resize((128, 128), Image.Resampling.LANCZOS)
    size = picture.size[0]
    places = [
        (x, y) for x in range(sheet.shape[1] - size + 1) for y in (34, 12) if (sheet[y, x : x + 8] != PAPER).any()
    ]
    shown = np.asarray(picture)
    assert any(np.array_equal(sheet[y : y + size, x : x + size], shown) for x, y in places)
