"""The adapter's objective on a tiny base: who is shown, when, and that only the adapter learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.losses.increment import increment_loss
from limner.systems import miniature_fact
from limner.systems.fact import Fact
from limner.systems.miniature_batch import NoisyPictures
from limner.systems.miniature_fact import FactCurriculum, MiniatureFact, encode_references
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import FEATURE_WIDTH, PATCHES, PERSON, encoded_faces, fact_for, miniature, random

ALWAYS = FactCurriculum(face_drop_probability=0.0, shuffle_probability=1.0, shuffle_from=0.0, shuffle_full=0.0)
NEVER = FactCurriculum(face_drop_probability=0.0, shuffle_probability=0.0)
STEPS = 100


def task_of(curriculum: FactCurriculum = NEVER, *, batch: int = 4, features: Tensor | None = None) -> MiniatureFact:
    base = miniature()
    features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=5).half() if features is None else features
    return MiniatureFact(
        base,
        fact_for(base),
        NoisyPictures(encoded_faces(), base.tokenizer, batch=batch, weight="min-snr"),
        features,
        steps=STEPS,
        curriculum=curriculum,
    )


def loss_of(task: MiniatureFact, seeds: range) -> float:
    with torch.no_grad():
        terms = [task(0, torch.Generator().manual_seed(seed))["denoising"] for seed in seeds]
    return float(torch.stack(terms).mean())


def shown(
    curriculum: FactCurriculum, monkeypatch: pytest.MonkeyPatch, *, step: int = STEPS, batch: int = 300
) -> tuple[list[int], list[int], Tensor, Fact]:
    """Target and reference record of each row of one batch (-1 for no face), the tokens, and the model."""
    marked = torch.arange(1.0, 1 + len(PERSON))[:, None, None].expand(-1, PATCHES, FEATURE_WIDTH).half()
    task = task_of(curriculum, batch=batch, features=marked)
    seen: list[tuple[Tensor, Tensor]] = []
    project = task.module.face_tokens

    class Enough(Exception):
        """The rest of the step is of no interest."""

    def spy(features: Tensor) -> Tensor:
        seen.append((features, project(features)))
        raise Enough

    monkeypatch.setattr(task.module, "face_tokens", spy)
    with pytest.raises(Enough), torch.no_grad():
        task(step, torch.Generator().manual_seed(0))
    targets = torch.randint(len(PERSON), (batch,), generator=torch.Generator().manual_seed(0)).tolist()
    ((features, tokens),) = seen
    assert features.shape == (batch, 1, PATCHES, FEATURE_WIDTH)
    return targets, [int(value) - 1 for value in features[:, 0, 0, 0]], tokens, task.module


def test_training_lowers_the_loss_with_both_terms_finite(tmp_path: Path) -> None:
    task = task_of()
    first = loss_of(task, range(20))
    settings = LoopSettings(
        steps=30, learning_rate=0.01, warmup_steps=3, decay_steps=5, log_every=10, weights={"increment": 0.01}
    )
    rows: list[dict[str, float]] = []
    Run(tmp_path, task, settings).train(progress=lambda step, means: rows.append(means))
    assert loss_of(task, range(20)) < 0.97 * first
    assert [set(row) for row in rows] == [{"denoising", "increment", "gradient_norm"}] * 3
    assert rows[-1]["increment"] > 0  # the gates have opened


def test_the_base_gets_no_gradient_and_does_not_move() -> None:
    task = task_of()
    before = {name: value.clone() for name, value in task.base.unet.state_dict().items()}
    optimizer = torch.optim.SGD(task.module.parameters(), lr=0.5)
    for step in range(2):
        terms = task(step, torch.Generator().manual_seed(step))
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    frozen = [*task.base.unet.parameters(), *task.base.text_encoder.parameters()]
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in frozen)
    assert all(torch.equal(value, before[name]) for name, value in task.base.unet.state_dict().items())
    trained = dict(task.module.named_parameters())
    assert all(value.grad is not None and value.grad.isfinite().all() for value in trained.values())
    assert all(value.isfinite().all() for value in trained.values())
    # Behind gates that have opened everything learns, the projector included.
    assert any(value.grad is not None and value.grad.any() for name, value in trained.items() if "resampler" in name)


def test_the_face_counts_only_once_the_gates_have_opened() -> None:
    task = task_of()

    def terms(features: Tensor) -> tuple[float, float]:
        task.features = features
        made = task(0, torch.Generator().manual_seed(0))
        return made["denoising"].item(), made["increment"].item()

    one, other = (random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=seed).half() for seed in (5, 6))
    assert terms(one) == terms(other)
    assert terms(one)[1] == 0.0
    with torch.no_grad():
        for name, parameter in task.module.named_parameters():
            if "alpha" in name:
                parameter.fill_(0.5)
    assert terms(one)[0] != terms(other)[0]
    assert terms(one)[1] > 0.0


def test_every_site_is_regularised_within_the_records_own_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Sequence[tuple[Tensor, Tensor]], Tensor]] = []

    def spy(layers: Sequence[tuple[Tensor, Tensor]], face_mask: Tensor) -> Tensor:
        calls.append((layers, face_mask))
        return increment_loss(layers, face_mask)

    monkeypatch.setattr(miniature_fact, "increment_loss", spy)
    task = task_of(batch=3)
    for index in range(len(PERSON)):
        task.pictures.faces.face_masks[index] = index / 10
    task(0, torch.Generator().manual_seed(0))
    ((layers, masks),) = calls
    assert len(layers) == len(task.module.adapter.sites) > 1
    assert {increment.shape[-1] for increment, _ in layers} == {site.channels for site in task.module.adapter.sites}
    assert all(increment.shape == hidden.shape for increment, hidden in layers)
    targets = torch.randint(len(PERSON), (3,), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(masks[:, 0, 0, 0], (targets / 10).half())


def test_without_shuffle_the_target_shows_its_own_face(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, references, _, _ = shown(NEVER, monkeypatch)
    assert references == targets


def test_shuffle_takes_another_picture_of_the_same_person_only(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, references, _, _ = shown(ALWAYS, monkeypatch)
    assert all(PERSON[reference] == PERSON[target] for target, reference in zip(targets, references, strict=True))
    pairs = set(zip(targets, references, strict=True))
    # Every other picture comes up, never the target's own, except where the person has no other.
    assert pairs == {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 4), (4, 3), (5, 5)}


def test_shuffle_comes_with_its_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    half = FactCurriculum(face_drop_probability=0.0, shuffle_probability=0.5, shuffle_from=0.0, shuffle_full=1.0)
    targets, references, _, _ = shown(half, monkeypatch, step=STEPS // 2)
    others = [r != t for t, r in zip(targets, references, strict=True) if t != 5]
    assert sum(others) / len(others) == pytest.approx(0.25, abs=0.08)


def test_a_dropped_face_is_the_null_face(monkeypatch: pytest.MonkeyPatch) -> None:
    curriculum = FactCurriculum(face_drop_probability=0.3, shuffle_probability=0.0)
    _, references, tokens, fact = shown(curriculum, monkeypatch)
    dropped = [row for row, reference in enumerate(references) if reference == -1]
    assert len(dropped) / len(references) == pytest.approx(0.3, abs=0.08)
    nulls = fact.null_tokens.detach().expand(len(dropped), -1, -1)
    torch.testing.assert_close(tokens[dropped], nulls, atol=1e-5, rtol=1e-5)
    kept = [row for row, reference in enumerate(references) if reference != -1]
    assert (tokens[kept] - nulls[:1]).abs().amax(dim=(1, 2)).min() > 1e-3


def test_the_ramp() -> None:
    curriculum = FactCurriculum(shuffle_probability=0.6, shuffle_from=0.2, shuffle_full=0.6)
    values = [curriculum.shuffle_at(done) for done in (0.0, 0.2, 0.3, 0.4, 0.6, 1.0)]
    assert values == pytest.approx([0.0, 0.0, 0.15, 0.3, 0.6, 0.6])
    assert ALWAYS.shuffle_at(0.5) == 1.0  # a ramp without length is a step


def test_references_are_encoded_in_chunks() -> None:
    class Encoder:
        def tokens(self, images: Tensor) -> Tensor:
            assert len(images) <= 4
            return images.flatten(2)[:, :, :5].clone().requires_grad_() * 2

    references = torch.arange(10 * 3 * 4 * 4).remainder(256).to(torch.uint8).view(10, 3, 4, 4)
    encoder: Any = Encoder()
    tokens = encode_references(encoder, references, chunk=4)
    assert (tokens.shape, tokens.dtype, tokens.requires_grad) == ((10, 3, 5), torch.float16, False)
    torch.testing.assert_close(tokens, ((references.float() / 127.5 - 1) * 2).half().flatten(2)[:, :, :5])
