"""Likeness on embeddings whose answer is known."""

import numpy as np
import pytest

from limner.evaluation.likeness import PersonScores, measure_likeness


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.standard_normal(shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def near(center: np.ndarray, rng: np.random.Generator, spread: float, count: int) -> np.ndarray:
    rows = center + spread * unit(rng, count, len(center))
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def people(kind: str, *, number: int = 24) -> list[PersonScores]:
    rng = np.random.default_rng(3)
    made = []
    for _ in range(number):
        center = unit(rng, 64)
        photos = near(center, rng, 0.5, 4)
        generated = {
            "as real": near(center, rng, 0.5, 3),
            "random": unit(rng, 3, 64),
            "pasted": np.repeat(photos[:1], 3, axis=0),
            "others": np.repeat(photos[1:2], 3, axis=0),
        }[kind]
        made.append(PersonScores(photos[0], photos[1:], generated))
    return made


def test_pictures_as_alike_as_real_photos_go_the_whole_way() -> None:
    likeness = measure_likeness(people("as real"), seed=0)
    assert likeness.share.value == pytest.approx(1.0, abs=0.05)
    assert likeness.copy_paste.value == pytest.approx(0.0, abs=0.1)


def test_strangers_go_no_way() -> None:
    assert measure_likeness(people("random"), seed=0).share.value == pytest.approx(0.0, abs=0.05)


def test_a_pasted_reference_is_called_copying() -> None:
    likeness = measure_likeness(people("pasted"), seed=0)
    assert likeness.copy_paste.value == pytest.approx(1.0, abs=1e-6)
    assert likeness.to_reference.value == pytest.approx(1.0)
    assert likeness.share.value == pytest.approx(1.0, abs=1e-6)


def test_a_pasted_other_photo_is_not_copying() -> None:
    likeness = measure_likeness(people("others"), seed=0)
    assert likeness.copy_paste.value < -0.2


def test_the_interval_holds_the_value_and_shrinks_with_people() -> None:
    few = measure_likeness(people("as real", number=6), seed=0).to_other
    many = measure_likeness(people("as real", number=60), seed=0).to_other
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low


def test_a_seed_gives_one_answer() -> None:
    assert measure_likeness(people("as real"), seed=5) == measure_likeness(people("as real"), seed=5)
