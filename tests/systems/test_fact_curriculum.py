"""Shuffle, drop and face size as functions of the share of the run that is done."""

import pytest
import torch
from pydantic import ValidationError

from limner.core.errors import ConfigError
from limner.systems.fact_curriculum import FactCurriculum, people_with_large_faces


def test_shuffle_rises_between_its_two_shares() -> None:
    curriculum = FactCurriculum(shuffle_probability=0.6, shuffle_from=0.2, shuffle_full=0.6)
    values = [curriculum.shuffle_at(done) for done in (0.0, 0.2, 0.3, 0.4, 0.6, 1.0)]
    assert values == pytest.approx([0.0, 0.0, 0.15, 0.3, 0.6, 0.6])
    assert FactCurriculum(shuffle_probability=1.0, shuffle_from=0.0, shuffle_full=0.0).shuffle_at(0.0) == 1.0


def test_faces_may_become_smaller() -> None:
    curriculum = FactCurriculum(face_area_first=0.4, face_area_until=0.5)
    assert [curriculum.face_area_at(done) for done in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.4, 0.2, 0.0, 0.0])
    assert FactCurriculum(face_area_first=0.4).face_area_at(0.0) == 0.0


def test_what_is_left_out_comes_with_its_probability() -> None:
    curriculum = FactCurriculum(face_drop_probability=0.2, text_drop_probability=0.3, both_drop_probability=0.1)
    face, text = curriculum.draw_kept(0.5, 20_000, torch.Generator().manual_seed(0))
    shares = {
        "face": (~face & text).float().mean(),
        "text": (face & ~text).float().mean(),
        "both": (~face & ~text).float().mean(),
    }
    assert {name: float(share) for name, share in shares.items()} == pytest.approx(
        {"face": 0.2, "text": 0.3, "both": 0.1}, abs=0.015
    )


def test_drop_may_rise_too() -> None:
    curriculum = FactCurriculum(face_drop_probability=0.8, both_drop_probability=0.0, drop_full=0.5)
    kept = [curriculum.draw_kept(done, 4000, torch.Generator().manual_seed(0))[0] for done in (0.0, 0.25, 0.5, 1.0)]
    assert [1 - float(row.float().mean()) for row in kept] == pytest.approx([0.0, 0.4, 0.8, 0.8], abs=0.03)


def test_probabilities_that_exceed_one_together() -> None:
    with pytest.raises(ValidationError, match="exceed 1 together"):
        FactCurriculum(face_drop_probability=0.6, text_drop_probability=0.6)


def test_only_people_with_large_faces_remain() -> None:
    people, area = {"a": [0, 1], "b": [2]}, torch.tensor([0.1, 0.5, 0.2])
    assert people_with_large_faces(people, lambda: area, 0.3) == {"a": [1]}
    assert people_with_large_faces(people, lambda: area, 0.15) == {"a": [1], "b": [2]}
    with pytest.raises(ConfigError, match=r"no face takes 60% of its picture \(the largest: 50%\)"):
        people_with_large_faces(people, lambda: area, 0.6)


def test_sizes_are_not_asked_for_without_need() -> None:
    people = {"a": [0]}
    assert people_with_large_faces(people, lambda: pytest.fail("was asked"), 0.0) is people
