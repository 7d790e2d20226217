"""Several people in one picture: who is shown where, and who is found where."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps import groups
from limner.apps.cli import main
from limner.apps.groups import match
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, ConfigError
from limner.core.images import read_image, write_png
from limner.faces.face import Face
from limner.identity.identity import Identity
from tests.apps.tiny_models import SPACE

EXAMPLE = asset_path("example/person.jpg")
PROMPT = "two people"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def other(person: Identity) -> Identity:
    """Somebody else, with two photos."""
    features = person.features[SPACE]
    assert features.tokens is not None
    tokens = (-3 * features.tokens).repeat(2, 1, 1)
    return replace(person, features={SPACE: replace(features, tokens=tokens)}, quality=person.quality.repeat(2))


def test_each_person_has_their_own_half(studio: Studio, person: Identity, other: Identity) -> None:
    def draw(people: list[Identity], **changes: Any) -> np.ndarray:
        return studio.group(people, PROMPT, num_steps=1, seed=3, adapter_scale=4.0, **changes)[0].image.astype(int)

    both, same, crossed = draw([person, other]), draw([person, person]), draw([other, person])
    assert both.shape == (64, 64, 3)
    left, right = slice(0, 20), slice(44, 64)
    # The picture's own attention carries a little of everybody everywhere, so the sides differ in degree.
    assert np.abs(both - same)[:, right].mean() > np.abs(both - same)[:, left].mean()
    assert np.abs(both - crossed)[:, left].mean() > 0
    boxes = [(0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0)]
    assert np.abs(draw([other, person], boxes=boxes) - both).max() <= 1
    masks = [np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]
    masks[0][:, :32] = 255
    masks[1][:, 32:] = 255
    assert np.array_equal(draw([person, other], masks=masks), both)


def test_one_person_everywhere_is_a_portrait_and_scale_0_nobody(studio: Studio, person: Identity) -> None:
    [group] = studio.group([person], PROMPT, num_steps=2, seed=3)
    [portrait] = studio.portrait(person, PROMPT, num_steps=2, seed=3, glasses="words")  # as groups are drawn
    assert np.abs(group.image.astype(int) - portrait.image).max() <= 1
    [nobody] = studio.group([person, person], PROMPT, num_steps=2, seed=3, adapter_scale=0)
    [plain] = studio.portrait(None, PROMPT, num_steps=2, seed=3, adapter_scale=0)
    assert np.array_equal(nobody.image, plain.image)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([[0.9, 0.8], [0.8, 0.1]], [1, 0]),  # the best for both together, not for the first alone
        ([[0.2, 0.9], [0.8, 0.1]], [1, 0]),
        ([[0.5], [0.6]], [None, 0]),
        ([[0.1, 0.2, 0.9]], [2]),
        ([[], []], [None, None]),
    ],
)
def test_faces_and_people_are_matched_one_to_one(table: list[list[float]], expected: list[int | None]) -> None:
    assert match(np.array(table).reshape(len(expected), -1)) == expected


def test_who_is_found_elsewhere_is_told_and_the_best_are_kept(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def face(x: float) -> Face:
        return Face((x - 4, 20, 8, 8), np.zeros((5, 2), np.float32), 0.9)

    monkeypatch.setattr(type(studio.analyzer), "detect", lambda *_: [face(10), face(50)])
    told = {10: (0.8, 0.1), 50: (0.2, 0.7)}
    people = [person, replace(person)]
    swapped = [False, True, False]
    drawn: list[int] = []

    def similarity(self: Studio, image: np.ndarray, who: Identity, where: Face) -> float:
        cosines = told[int(where.center[0])]
        drawn.append(1)
        number = (len(drawn) - 1) // 4
        index = 0 if who is people[0] else 1
        return cosines[1 - index if swapped[number] else index] - (0.1 if number == 0 else 0)

    monkeypatch.setattr(Studio, "similarity", similarity)
    kept = studio.group(people, PROMPT, num_steps=1, seed=5, best_of=3, retries=0)
    assert [(one.seed, one.in_place) for one in kept] == [(7, (True, True))]
    assert kept[0].similarities == (0.8, 0.7)
    drawn.clear()
    assert [one.in_place for one in studio.group(people, PROMPT, num_steps=1, seed=5, count=2, retries=0)] == [
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("people", "changes", "message"),
    [
        (0, {}, "0 people were given; 1 to 6"),
        (7, {}, "7 people were given; 1 to 6"),
        (2, {"boxes": [(0, 0, 1, 1)]}, "2 people and 1 regions"),
        (1, {"boxes": [(0.5, 0, 0.5, 1)]}, "is no part of the picture"),
        (1, {"boxes": [(0, 0, 1.5, 1)]}, "is no part of the picture"),
        (1, {"boxes": [(0, 0, 0.001, 1)]}, "the region of person 0 is empty"),
        (1, {"boxes": [(0, 0, 1, 1)], "masks": [EXAMPLE]}, "both given"),
        (1, {"masks": [EXAMPLE]}, "mask 0 is 768 x 768 pixels and the picture 64 x 64"),
    ],
)
def test_regions_that_cannot_be_are_refused(
    studio: Studio, person: Identity, people: int, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        studio.group([person] * people, PROMPT, **changes)


def test_a_model_without_an_adapter_is_refused(studio: Studio, person: Identity) -> None:
    bare = Studio(replace(studio.assembly, adapter=None))
    with pytest.raises(AdapterError, match="has no face adapter"):
        bare.group([person, person], PROMPT)


@pytest.fixture
def run(
    miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_png("me.png", read_image(EXAMPLE)[::2, ::2])

    def run_command(command: str, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--model", str(miniature_folder), "--device", "cpu", *arguments])
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_command


def test_the_command_writes_pictures_and_a_record(run: Run, person: Identity) -> None:
    person.save("b.safetensors")
    people = ("--face", "me.png", "--face", "b.safetensors", "--steps", "1", PROMPT)
    code, output, errors = run("group", *people, "--box", "0,0,0.5,1", "--box", "0.5,0,1,1", "--width", "96")
    assert (code, errors.strip()) == (0, "")
    assert "group-0.png" in output
    assert {path.name for path in Path("out").iterdir()} == {"contact-sheet.png", "group-0.png", "group.json"}
    record = json.loads(Path("out/group.json").read_text())
    assert record["boxes"] == [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
    assert record["pictures"][0]["identity_similarities"] == [None, None]  # random weights draw no face
    for arguments, message in (
        (["--box", "left"], "write left,top,right,bottom"),
        (["--box", "0,0,1,1"], "2 people and 1 regions"),
        (["--commercial"], "miniature-base"),
    ):
        code, _, errors = run("group", *people, *arguments, "-o", "new")
        assert (code, message in errors, Path("new").exists()) == (2, True, False)


def test_a_mixture_from_the_command_line(run: Run, person: Identity) -> None:
    person.save("b.safetensors")
    assert run("mix", "me.png", "b.safetensors", "--weight", "3", "--weight", "1", "-o", "both.safetensors")[0] == 0
    mixed = Identity.load("both.safetensors")
    assert set(mixed.features) == set(person.features)
    assert run("group", "--face", "both.safetensors", "--steps", "1", "a person")[0] == 0
    code, _, errors = run("mix", "me.png", "b.safetensors", "--weight", "3", "-o", "c.safetensors")
    assert (code, "1 weights were given for 2 people" in errors) == (2, True)


def test_columns_cover_the_picture() -> None:
    assert groups.columns(2) == [(0, 0, 0.5, 1), (0.5, 0, 1, 1)]
