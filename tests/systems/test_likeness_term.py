"""Likeness: only rows that can show the person count, and they teach the adapter."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limner.diffusion.backbone import StableDiffusionBackbone
from limner.identity.recognition import GUIDE_SPACE
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.systems.likeness_term import (
    AIM,
    BEGINS,
    END,
    ENDS,
    SHOWN,
    START,
    LikenessTerm,
    likeness_aims,
    likeness_nuisance,
    next_of_kind,
)
from limner.systems.portraits import FEATURES, LATENTS
from limner.systems.predicted_faces import COUNTS, GRID
from tests.data.examples import record
from tests.systems.tiny import (
    FEATURE_WIDTH,
    PATCHES,
    PERSON,
    awake_fact,
    encoded_faces,
    miniature,
    predicted_faces,
    random,
)

DIM = 8


class Eye(nn.Module):
    """Sees the mean colours of some places."""

    def forward(self, faces: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(faces, (2, 4)).mean(dim=1).flatten(1), dim=1)


def test_the_aim_lies_between_the_picture_and_the_person() -> None:
    seen = np.array([[1, 0], [0.6, 0.8], [0, -1]], np.float32)
    people = [record(row, person="aab"[row], embeddings={GUIDE_SPACE: seen[row]}) for row in range(3)]
    aims = likeness_aims(people)
    mean = np.array([1.6, 0.8]) / np.hypot(1.6, 0.8)
    halfway = [(one + mean) / np.linalg.norm(one + mean) for one in seen[:2]]
    np.testing.assert_allclose(aims, [*halfway, (0, -1)], atol=1e-6)


def test_nuisance_is_where_pictures_of_one_person_differ() -> None:
    seen = np.array([[0.8, 0.6, 0], [0.8, -0.6, 0], [0, 0, 1]], np.float32)
    people = [record(row, person="aab"[row], embeddings={GUIDE_SPACE: seen[row]}) for row in range(3)]
    np.testing.assert_allclose(likeness_nuisance(people, 1).abs(), [[0, 1, 0]], atol=1e-6)


def term(
    *,
    counted: Tensor | None = None,
    probability: float = 1.0,
    strangers: float = 0.0,
    nuisance: Tensor | None = None,
) -> LikenessTerm:
    aims = F.normalize(random(len(PERSON), DIM, seed=9), dim=1)
    faces = predicted_faces(counted=counted, probability=probability)
    genders = torch.arange(len(PERSON)) % 2
    return LikenessTerm(
        Eye(),
        faces,
        aims,
        nuisance=torch.empty(0, DIM) if nuisance is None else nuisance,
        genders=genders,
        stranger_probability=strangers,
        steps=2,
        num_train_timesteps=1000,
    )


def plan(**changes: Any) -> dict[str, Tensor]:
    yes = torch.ones(4, dtype=torch.bool)
    given = {"record": torch.tensor([0, 1, 4, 5]), "variant": torch.tensor([0, 1, 0, 1])}
    ways = {START: torch.tensor([900, 900, 800, 800]), END: torch.tensor([300, 500, 200, 700])}
    return given | {"looked_at": yes, "keep_face": yes, "strangers": ~yes} | ways | changes


def test_only_photos_with_a_face_that_are_looked_at_count() -> None:
    photos = torch.ones(len(PERSON), 2, dtype=torch.bool)
    photos[4, 0] = False
    keep, look = torch.tensor([True, False, True, True]), torch.tensor([True, True, True, False])
    loaded = term(counted=photos).load(plan(keep_face=keep, looked_at=look))
    assert loaded[COUNTS].tolist() == [True, False, False, False]
    assert loaded[GRID].shape == (4, 2, 3)
    assert loaded[AIM].shape == (4, DIM)


def test_the_loss_is_of_the_rows_that_count() -> None:
    one, latents = term(), random(4, 32, 4, 4)
    batch = one.load(plan(looked_at=torch.tensor([True, False, True, False])))
    rows = one.rows(batch)
    assert rows.tolist() == [0, 2]
    each = [one.loss(latents[row : row + 1], batch, torch.tensor([row])).item() for row in (0, 2)]
    assert one.loss(latents[rows], batch, rows).item() == pytest.approx(sum(each) / 2)
    assert each[0] != pytest.approx(each[1])


def test_the_loss_is_deaf_to_nuisance() -> None:
    nuisance = F.normalize(random(1, DIM, seed=4), dim=1)
    said = F.normalize(random(1, DIM, seed=6), dim=1)
    turned = F.normalize(said + nuisance, dim=1)

    def told(one: LikenessTerm, embedding: Tensor) -> float:
        """The loss where the guide says this."""
        one.predicted.faces = lambda *_: embedding  # pyright: ignore[reportAttributeAccessIssue]
        one.guide = nn.Identity()
        return one.loss(random(1, 32, 4, 4), {AIM: one.aims[[0]]}, torch.tensor([0])).item()

    deaf, hearing = term(nuisance=nuisance), term()
    assert told(deaf, said) == pytest.approx(told(deaf, turned), abs=1e-6)
    assert abs(told(hearing, said) - told(hearing, turned)) > 0.05
    assert (deaf.aims @ nuisance[0]).abs().max() < 1e-6


def test_ways_lead_from_much_noise_to_less() -> None:
    one = term()
    drawn = one.draw(400, torch.Generator().manual_seed(0))
    for name, (low, high) in ((START, BEGINS), (END, ENDS)):
        assert 1000 * low <= drawn[name].min() < drawn[name].max() <= 1000 * high
    assert (drawn[START] > drawn[END]).all()
    batch = one.load(plan())
    assert one.timesteps(batch, torch.tensor([1, 3])).tolist() == [[900, 800], [700, 750], [500, 700]]


def test_a_person_is_lent_to_the_next_row_of_the_same_gender() -> None:
    assert next_of_kind(torch.tensor([1, 0, 1, 1, 2])).tolist() == [2, 1, 3, 0, 4]
    one = term()
    loaded = one.load(plan(strangers=torch.tensor([True, False, True, True])))
    assert loaded[SHOWN].tolist() == [2, 1, 0, 1]  # records 0, 1, 4, 5; even ones are of one gender
    assert torch.equal(loaded[AIM], one.aims[[4, 1, 0, 1]])
    assert torch.equal(loaded[GRID], one.load(plan())[GRID])  # the picture is still the row's own


@pytest.mark.parametrize(("probability", "lent"), [(0.0, 0), (1.0, 400)])
def test_as_many_rows_show_a_stranger_as_asked(probability: float, lent: int) -> None:
    drawn = term(strangers=probability).draw(400, torch.Generator().manual_seed(0))
    assert int(drawn["strangers"].sum()) == lent


def test_the_face_goes_with_the_aim_and_the_picture_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    taught = task(term(strangers=1.0))
    batch = taught.collate(taught.draw(0, torch.Generator().manual_seed(3)))
    asked: list[dict[str, Tensor]] = []
    features = taught.inputs.face_features
    monkeypatch.setattr(taught.inputs, "face_features", lambda rows: asked.append(rows) or features(rows))
    taught.loss(batch, 0)
    rows = taught.likeness.rows(batch)  # pyright: ignore[reportOptionalMemberAccess]
    assert batch[SHOWN][rows].tolist() != rows.tolist()
    assert torch.equal(asked[-1][FEATURES], batch[FEATURES][batch[SHOWN][rows]])
    assert torch.equal(asked[-1][LATENTS], batch[LATENTS][rows])
    assert torch.equal(asked[0][FEATURES], batch[FEATURES])


def task(likeness: LikenessTerm | None) -> FactTraining:
    base = miniature()
    backbone = StableDiffusionBackbone(base.pipeline())
    features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=5).half()
    portraits = EncodedPortraits(encoded_faces(), features, backbone.tokenize)
    objective = FactObjective(batch=4, loss_weight="min-snr")
    return FactTraining(awake_fact(base), backbone, portraits, objective, steps=10, likeness=likeness)


def test_training_has_the_term_only_if_it_is_given_one_and_it_teaches_the_adapter() -> None:
    plain, taught = task(None), task(term())
    terms = [one.loss(one.collate(one.draw(0, torch.Generator().manual_seed(3))), 0) for one in (plain, taught)]
    assert set(terms[1]) - set(terms[0]) == {"likeness"}
    assert torch.equal(terms[0]["denoising"], terms[1]["denoising"])
    terms[1]["likeness"].backward()
    assert all(value.grad is not None and value.grad.any() for value in taught.module.parameters() if value.ndim > 1)


def test_a_likeness_that_is_followed_falls() -> None:
    taught = task(term())
    batch = taught.collate(taught.draw(0, torch.Generator().manual_seed(3)))
    optimizer = torch.optim.Adam(taught.module.parameters(), lr=1e-2)
    losses: list[float] = []
    for step in range(12):
        loss = taught.loss(batch, step)["likeness"]
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.95 * losses[0]


def test_the_guide_looks_at_what_the_model_came_to_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    taught = task(term())
    batch = taught.collate(taught.draw(0, torch.Generator().manual_seed(3)))
    rows = taught.likeness.rows(batch)  # pyright: ignore[reportOptionalMemberAccess]
    asked: list[tuple[list[int], bool]] = []
    predict = taught.backbone.predict

    def watched(noisy: Tensor, timesteps: Tensor, *rest: Any) -> Tensor:
        asked.append((timesteps.tolist(), torch.is_grad_enabled()))
        return predict(noisy, timesteps, *rest)

    monkeypatch.setattr(taught.backbone, "predict", watched)
    taught.loss(batch, 0)
    ways = taught.likeness.timesteps(batch, rows).tolist()  # pyright: ignore[reportOptionalMemberAccess]
    assert asked == [(batch["timesteps"].tolist(), True), *[(one, False) for one in ways[:-1]], (ways[-1], True)]


def test_a_batch_without_rows_that_count_costs_nothing() -> None:
    nobody = task(term(counted=torch.zeros(len(PERSON), 2, dtype=torch.bool)))
    batch = nobody.collate(nobody.draw(0, torch.Generator().manual_seed(3)))
    assert nobody.loss(batch, 0)["likeness"].item() == 0
