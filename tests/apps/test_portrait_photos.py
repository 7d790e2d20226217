"""`limner portrait` with the packaged model on photos as people have them: turned, profile, groups, no face at all."""

import json
from functools import partial
from pathlib import Path

import pytest

from limner.core.images import read_image
from tests.apps.conftest import Exits

pytestmark = [pytest.mark.shared, pytest.mark.slow]
PROMPT = "a photo of a person, smiling"


@pytest.fixture
def run(command: Exits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exits:
    monkeypatch.chdir(tmp_path)
    return partial(command, "portrait", PROMPT, "--count", "1", "--steps", "3", "--device", "cpu")


@pytest.fixture
def photos(shared: Path) -> Path:
    return shared / "data" / "portraits"


def test_every_photo_of_one_person_is_drawn(run: Exits, photos: Path) -> None:
    paths = [path for kind in ("portrait", "profile", "rotated", "synthetic") for path in photos.glob(f"{kind}_*.jpg")]
    assert len(paths) == 24
    for path in paths:
        code, _, errors = run("--face", path, "-o", path.stem)
        assert (path.name, code, errors.strip()) == (path.name, 0, "")
        assert read_image(Path(path.stem, "portrait-0.png")).shape == (128, 128, 3)


def test_in_a_group_the_largest_face_is_drawn_or_the_one_that_is_asked_for(run: Exits, photos: Path) -> None:
    drawn = {}
    for name, chosen in (("largest", []), ("first", ["--face-index", "0"]), ("last", ["--face-index", "3"])):
        assert run("--face", photos / "group_2_collage.jpg", *chosen, "-o", name)[0] == 0
        drawn[name] = Path(name, "portrait-0.png").read_bytes()
    assert drawn["first"] != drawn["last"]
    assert drawn["largest"] in drawn.values()
    code, _, errors = run("--face", photos / "group_2_collage.jpg", "--face-index", "4", "-o", "none")
    assert code == 2
    assert "4" in errors
    assert not Path("none").exists()


def test_several_photos_make_one_person(run: Exits, photos: Path) -> None:
    names = ["portrait_10_astronaut.jpg", "rotated_exif6_astronaut.jpg"]
    assert run(*(word for name in names for word in ("--face", photos / name)), "-o", "both")[0] == 0
    assert json.loads(Path("both", "portrait.json").read_text())["references"] == names
    strangers = ["--face", photos / "portrait_09_tim-scott.jpg", "--face", photos / names[0]]
    code, _, errors = run(*strangers, "-o", "strangers")
    assert code == 2
    assert "two people" in errors


@pytest.mark.parametrize("name", ["noface_coffee.jpg", "noface_rocket.jpg"])
def test_a_photo_without_a_face_is_refused(run: Exits, photos: Path, name: str) -> None:
    code, _, errors = run("--face", photos / name, "-o", "none")
    assert code == 2
    assert name in errors
    assert "no face" in errors.lower()
    assert not Path("none").exists()
