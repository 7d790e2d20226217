"""The sentences a training picture goes with."""

import pytest
import torch

from limner.data.captions import Traits
from limner.systems import miniature_prompts
from limner.systems.miniature_prompts import training_prompt
from tests.systems.tiny import TRAITS


def test_prompts_are_sometimes_empty_and_sometimes_hold_a_meaningless_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature_prompts, "caption", lambda traits, rng, keep: "a man, smiling, black hair")
    rng = torch.Generator().manual_seed(0)
    prompts = [training_prompt(TRAITS[0], rng) for _ in range(1000)]
    empty = [prompt for prompt in prompts if not prompt]
    noisy = [prompt for prompt in prompts if prompt.count(",") == 3]
    assert len(empty) / 1000 == pytest.approx(0.1, abs=0.03)
    assert len(noisy) / 1000 == pytest.approx(0.9 * 0.15, abs=0.03)
    for prompt in noisy:
        start, *rest = prompt.split(", ")
        words = [part for part in rest if part not in ("smiling", "black hair")]
        assert start == "a man"
        assert len(words) == 1
        assert 3 <= len(words[0]) <= 9
        assert words[0].isalpha()
    places = {prompt.split(", ").index(w) for prompt in noisy for w in prompt.split(", ")[1:] if " " not in w}
    assert {1, 2, 3} <= places


def test_a_prompt_need_not_be_empty() -> None:
    rng = torch.Generator().manual_seed(0)
    assert all(training_prompt(TRAITS[0], rng, empty_probability=0.0) for _ in range(100))


def test_sentences_are_short_and_long() -> None:
    rng = torch.Generator().manual_seed(0)
    everything = Traits(*("photo", "old", "man", "smiling", "left", "up", "yes", None, "grey", "short", "green"))
    parts = [training_prompt(everything, rng, empty_probability=0.0).count(",") for _ in range(600)]
    for few_or_many in (lambda n: n <= 1, lambda n: n >= 6):
        assert sum(map(few_or_many, parts)) > 50
