"""Moving an adapter to another encoder: its tokens come back, and only the projector learns."""

from pathlib import Path

import pytest
import torch

from limner.systems.fact import Fact
from limner.systems.token_transfer import TokenTransfer, tokens_said
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import FEATURE_WIDTH, PATCHES, awake_fact, miniature, random

FACES = 12
OLD, NEW = (random(FACES, PATCHES, FEATURE_WIDTH, seed=seed).half() for seed in (5, 6))


def moved() -> tuple[TokenTransfer, Fact]:
    fact = awake_fact(miniature())
    return TokenTransfer(fact, NEW, tokens_said(fact, OLD), batch=FACES), fact


def error(task: TokenTransfer, fact: Fact) -> float:
    with torch.no_grad():
        return (tokens_said(fact, NEW).float() - task.said.float()).square().mean().item()


def test_what_was_said_is_said_again_and_nothing_else_changes(tmp_path: Path) -> None:
    task, fact = moved()
    layers = {name: value.clone() for name, value in fact.state_dict().items() if not name.startswith("resampler")}
    before = error(task, fact)
    settings = LoopSettings(steps=80, learning_rate=0.01, warmup_steps=3, decay_steps=20)
    run = Run(tmp_path, task, settings)
    run.train()
    run.average.copy_to(task.module)
    assert error(task, fact) < 0.3 * before
    state = fact.state_dict()
    assert layers
    assert all(torch.equal(state[name], value) for name, value in layers.items())


def test_the_term_by_hand() -> None:
    task, fact = moved()
    batch = task.collate(task.draw(0, torch.Generator().manual_seed(0)))
    said = tokens_said(fact, batch["features"]).float()
    spread = task.said.float().var(dim=0).mean()
    expected = (said - batch["said"]).square().mean() / spread
    assert task.loss(batch, 0)["tokens"].item() == pytest.approx(expected.item(), rel=1e-2)


def test_tokens_do_not_depend_on_how_many_are_asked() -> None:
    fact = awake_fact(miniature())
    torch.testing.assert_close(tokens_said(fact, OLD, chunk=5), tokens_said(fact, OLD), atol=1e-3, rtol=1e-3)
