"""The projector's lesson: what is read off the tokens, of whom, and that only projector and reader learn."""

from pathlib import Path

import pytest
import torch

from limner.diffusion.miniature import LATENT_CHANNELS
from limner.systems.contract import Batch
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.fact import Fact
from limner.systems.portraits import LATENTS
from limner.systems.projector_lesson import ProjectorLesson
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import FACT, FEATURE_WIDTH, PATCHES, PERSON, encoded_faces, fact_for, miniature, random

WIDTH = FACT.resampler.context_width


def lesson(*, batch: int = 6, other: float = 0.5) -> tuple[ProjectorLesson, Fact]:
    fact = fact_for(miniature())
    features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=5).half()
    portraits = EncodedPortraits(encoded_faces(), features, lambda prompts: {})
    shape = (LATENT_CHANNELS, 4, 4)
    torch.manual_seed(0)
    made = ProjectorLesson(
        fact, portraits, token_width=WIDTH, latent_shape=shape, batch=batch, other_picture_probability=other
    )
    return made, fact


def batch_of(task: ProjectorLesson) -> Batch:
    return task.collate(task.draw(0, torch.Generator().manual_seed(0)))


def loss_of(task: ProjectorLesson, batch: Batch) -> float:
    with torch.no_grad():
        return float(task.loss(batch, 0)["latents"])


@pytest.mark.parametrize("other", [0.0, 1.0])
def test_the_face_is_the_pictures_own_or_another_of_the_person(other: float) -> None:
    plan = lesson(batch=200, other=other)[0].draw(0, torch.Generator().manual_seed(0))
    pairs = set(zip(plan["record"].tolist(), plan["reference"].tolist(), strict=True))
    assert {PERSON[a] for a, _ in pairs} == {0, 1, 2}
    assert all(PERSON[a] == PERSON[b] for a, b in pairs)
    single = PERSON.index(2)
    assert all((a == b) == (other == 0 or a == single) for a, b in pairs)


def test_only_the_face_counts() -> None:
    task, _ = lesson()
    batch = batch_of(task)
    before = loss_of(task, batch)
    inside = batch["face_mask"].bool().expand_as(batch[LATENTS])
    batch[LATENTS] = torch.where(inside, batch[LATENTS], batch[LATENTS] + 5)
    assert loss_of(task, batch) == before
    batch[LATENTS] = torch.where(inside, batch[LATENTS] + 5, batch[LATENTS])
    assert loss_of(task, batch) > before + 10


def test_the_tokens_learn_to_tell_people_apart_and_the_adapter_is_left_alone(tmp_path: Path) -> None:
    task, fact = lesson(other=0.0)
    batch = batch_of(task)
    first = loss_of(task, batch)
    weights = {name: value.clone() for name, value in fact.state_dict().items()}
    settings = LoopSettings(steps=150, learning_rate=0.01, warmup_steps=5, decay_steps=30, ema_decay=0.9, log_every=50)
    run = Run(tmp_path, task, settings)
    run.train()
    run.averaged()
    assert loss_of(task, batch) < 0.5 * first
    strangers = {**batch, "face_features": batch["face_features"].roll(1, dims=0)}
    assert loss_of(task, strangers) > 2 * loss_of(task, batch)
    changed = {name.split(".")[0] for name, value in fact.state_dict().items() if not torch.equal(value, weights[name])}
    assert changed == {"resampler"}
