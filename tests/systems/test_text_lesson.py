"""The text encoder's lesson: what is asked of it, that it learns to tell words apart, and that nothing else is kept."""

from pathlib import Path

import pytest
import torch

from limner.data.captions import Traits
from limner.systems.contract import Batch
from limner.systems.text_lesson import CLASSES, TextLesson, classes_of
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import encoded_faces, miniature


def lesson(batch: int = 8) -> TextLesson:
    base = miniature()
    torch.manual_seed(0)
    return TextLesson(base.text_encoder, base.tokenizer, encoded_faces(), batch=batch)


def batch_of(task: TextLesson) -> Batch:
    return task.collate(task.draw(0, torch.Generator().manual_seed(0)))


def terms_of(task: TextLesson, batch: Batch) -> dict[str, float]:
    with torch.no_grad():
        return {name: float(value) for name, value in task.loss(batch, 0).items()}


def test_silence_is_a_class_of_its_own() -> None:
    said = dict(zip(CLASSES, classes_of(Traits(style="pencil", hair="black")).tolist(), strict=True))
    assert said.pop("style") == 1 + CLASSES["style"].index("pencil")
    assert said.pop("hair") == 1 + CLASSES["hair"].index("black")
    assert set(said.values()) == {0}


def test_what_is_asked_is_what_the_sentence_says_and_not_what_the_picture_shows() -> None:
    task = lesson(200)
    said = batch_of(task)["said"][:, list(CLASSES).index("hair")]
    black = 1 + CLASSES["hair"].index("black")
    assert set(said.tolist()) == {0, black}  # black hair is shown by half of the pictures and left unsaid by some
    assert 0.2 < float((said == black).float().mean()) < 0.45


@pytest.mark.parametrize("changed", ["said", "latents"])
def test_words_and_pictures_both_count(changed: str) -> None:
    task = lesson()
    batch = batch_of(task)
    before = terms_of(task, batch)
    batch[changed] = torch.zeros_like(batch[changed])
    after = terms_of(task, batch)
    moved = {"said": "words", "latents": "latents"}[changed]
    assert {name for name in before if before[name] != after[name]} == {moved}


def test_every_state_learns_to_tell_what_was_said(tmp_path: Path) -> None:
    task = lesson(32)
    batch = batch_of(task)
    first = terms_of(task, batch)
    settings = LoopSettings(steps=60, learning_rate=0.01, warmup_steps=5, decay_steps=20, ema_decay=0.9, log_every=20)
    run = Run(tmp_path, task, settings)
    run.train()
    run.averaged()
    last = terms_of(task, batch)
    assert last["words"] < 0.3 * first["words"]
    assert last["latents"] < first["latents"]
