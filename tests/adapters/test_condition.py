"""How people fall on rows, and when the window is open."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limner.adapters.condition import FaceCondition
from limner.core.errors import AdapterError


def numbered(people: int, nulls: int | None = None) -> FaceCondition:
    """Person p has face token p; null face n has -1 - n."""
    faces = torch.arange(people).float().reshape(people, 1, 1)
    return FaceCondition(faces, None if nulls is None else -1 - torch.arange(nulls).float().reshape(nulls, 1, 1))


def laid_out(condition: FaceCondition, rows: int) -> list[int]:
    return condition.plan(rows).lay_out(condition.face_tokens, condition.null_tokens).flatten().int().tolist()


@given(
    people=st.integers(1, 4), images=st.integers(1, 3), guided=st.booleans(), nulls=st.sampled_from([None, 1, "all"])
)
def test_rows_are_as_pipelines_lay_them_out(people: int, images: int, guided: bool, nulls: int | str | None) -> None:
    count = people if nulls == "all" else nulls
    condition = numbered(people, count if isinstance(count, int) else None)
    condition = FaceCondition(condition.face_tokens, condition.null_tokens, guided=guided)
    shown = [person for person in range(people) for _ in range(images)]
    unconditional = shown if nulls is None else [-1 if nulls == 1 else -1 - person for person in shown]
    assert laid_out(condition, len(shown) * (2 if guided else 1)) == (unconditional + shown if guided else shown)


@pytest.mark.parametrize(
    ("people", "nulls", "rows", "expected"),
    [
        (1, None, 1, [0]),
        (1, None, 4, [0, 0, 0, 0]),
        (1, 1, 1, [0]),
        (1, 1, 2, [-1, 0]),
        (1, 1, 4, [-1, -1, 0, 0]),
        (2, 1, 2, [0, 1]),
        (2, 1, 4, [-1, -1, 0, 1]),
        (2, 2, 8, [-1, -1, -2, -2, 0, 0, 1, 1]),
        (3, None, 3, [0, 1, 2]),
    ],
)
def test_guidance_is_told_from_the_batch(people: int, nulls: int | None, rows: int, expected: list[int]) -> None:
    assert laid_out(numbered(people, nulls), rows) == expected


def test_what_can_be_read_two_ways_is_asked_for() -> None:
    with pytest.raises(AdapterError, match="guided=True or guided=False"):
        numbered(2).plan(4)


@pytest.mark.parametrize(("people", "nulls", "rows"), [(1, 1, 3), (2, 1, 6), (3, None, 2), (2, 1, 3)])
def test_rows_that_cannot_be_shared_out_are_told(people: int, nulls: int | None, rows: int) -> None:
    guided = None if nulls else False
    condition = FaceCondition(numbered(people).face_tokens, numbered(people, nulls).null_tokens, guided=guided)
    with pytest.raises(AdapterError, match=f"{rows} rows for {people} people"):
        condition.plan(rows)


@pytest.mark.parametrize(
    ("window", "active"),
    [
        ((0.0, 1.0), [999, 501, 500, 499, 0]),
        ((0.0, 0.5), [999, 501, 500]),
        ((0.5, 1.0), [499, 0]),
        ((0.4, 0.501), [501, 500, 499]),
    ],
)
def test_the_window_runs_from_noise_to_picture(window: tuple[float, float], active: list[int]) -> None:
    steps = torch.tensor([999, 501, 500, 499, 0])
    condition = FaceCondition(torch.zeros(1, 1, 1), window=window)
    assert steps[condition.active_rows(steps, 1000)].tolist() == active
    assert [step for step in steps.tolist() if condition.active_rows(step, 1000).item()] == active


def test_adjoining_windows_share_out_every_step() -> None:
    steps = torch.arange(1000)
    parts = [
        FaceCondition(torch.zeros(1, 1, 1), window=window).active_rows(steps, 1000)
        for window in [(0.0, 0.3), (0.3, 0.7), (0.7, 1.0)]
    ]
    assert torch.stack(parts).sum(0).eq(1).all()
