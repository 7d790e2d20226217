"""Everybody is drawn by everything with the same words and seeds; real people's pictures are nowhere kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from limner.core.errors import NoFaceError
from limner.evaluation.comparison import BASE, compare
from limner.evaluation.measuring import Instruments, PictureFacts
from limner.evaluation.picture_store import PictureStore
from limner.evaluation.protocol import protocol_named
from tests.evaluation.examples import face, person, unit

RULES = protocol_named("miniature", seeds=2)


@dataclass
class Calls:
    """A method that notes what it is asked."""

    level: int = 0
    seen: list[tuple[object, str, int, int]] = field(default_factory=list)

    def identity(self, photo: np.ndarray) -> int:
        if photo[0, 0, 0] == 9:
            raise NoFaceError("no face in this photo")
        return int(photo[0, 0, 0])

    def draw(self, identity: Any, prompt: str, *, seed: int, count: int) -> list[np.ndarray]:
        self.seen.append((identity, prompt, seed, count))
        return [np.full((8, 8, 3), self.level + number, np.uint8) for number in range(count)]


class Blind:
    """Instruments that see the same face everywhere."""

    classifiers = None

    def look(self, images: Sequence[np.ndarray]) -> list[PictureFacts]:
        return [PictureFacts(image, face(unit(1, 0), verdicts=False)) for image in images]

    def pooled(self, images: Sequence[np.ndarray], side: int) -> np.ndarray:
        return np.zeros((0, 0))


BLIND = cast(Instruments, Blind())


def test_every_method_gets_the_same_words_and_seeds() -> None:
    first, second = Calls(), Calls(level=50)
    found = compare([person(1), person(2)], {"a": first, "b": second}, RULES, BLIND)
    shared = [(prompt, seed, count) for identity, prompt, seed, count in first.seen if identity is not None]
    assert shared == [(prompt, seed, count) for _, prompt, seed, count in second.seen]
    assert [entry[1:] for entry in first.seen if entry[0] is None] == shared  # the base, drawn by the first method
    assert len(shared) == 2 * len(RULES.wishes)
    assert list(found.outcomes) == [BASE, "a", "b"]
    assert found.outcomes["a"][0].numbers["change_inside"] == 0
    assert found.outcomes["b"][0].numbers["change_inside"] == pytest.approx(50 / 255)


def test_a_person_without_a_face_is_left_out_of_everything() -> None:
    found = compare([person(9), person(1)], {"a": Calls()}, RULES, BLIND)
    assert [one.name for one in found.people] == [person(1).name]
    assert len(found.outcomes["a"]) == len(found.real) == 1
    assert found.refused == {person(9).name: "no face in this photo"}


def test_the_seeds_of_a_person_do_not_depend_on_who_was_left_out() -> None:
    alone, after = Calls(), Calls()
    compare([person(2), person(1)], {"a": alone}, RULES, BLIND)
    compare([person(9), person(1)], {"a": after}, RULES, BLIND)
    assert alone.seen[-1] == after.seen[-1]


def test_pictures_come_back_from_the_store(tmp_path: Path) -> None:
    store = PictureStore(tmp_path, {BASE: "k0", "a": "k1"})
    first, again, other = Calls(), Calls(), Calls(level=9)
    before = compare([person(1)], {"a": first}, RULES, BLIND, keep=store)
    after = compare([person(1)], {"a": again}, RULES, BLIND, keep=store)
    assert first.seen
    assert not again.seen
    assert after.outcomes["a"][0].numbers == pytest.approx(before.outcomes["a"][0].numbers, nan_ok=True)
    compare([person(1)], {"a": other}, RULES, BLIND, keep=PictureStore(tmp_path, {BASE: "k0", "a": "k2"}))
    assert {entry[0] for entry in other.seen} == {1}  # other weights draw anew, the base is kept


def test_a_missing_picture_is_drawn_again(tmp_path: Path) -> None:
    store, again = PictureStore(tmp_path, {BASE: "k0", "a": "k1"}), Calls()
    compare([person(1)], {"a": Calls()}, RULES, BLIND, keep=store)
    next((tmp_path / "a-k1").iterdir()).unlink()
    compare([person(1)], {"a": again}, RULES, BLIND, keep=store)
    assert len(again.seen) == 1


def test_pictures_of_real_people_are_neither_kept_nor_handed_on(tmp_path: Path) -> None:
    real = [replace(person(number), generated=False) for number in (1, 2)]
    found = compare(real, {"a": Calls()}, RULES, BLIND, keep=PictureStore(tmp_path, {BASE: "k0", "a": "k1"}))
    assert found.shown == []
    assert list(tmp_path.iterdir()) == []
    assert len(found.outcomes["a"]) == 2
