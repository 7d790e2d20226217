"""The sentences a training picture of the miniature goes with, made anew at every use."""

from collections.abc import Sequence

import torch

from limner.data.captions import Traits, caption
from limner.systems.contract import Plan

EMPTY_PROMPT_PROBABILITY = 0.1
NOISE_WORD_PROBABILITY = 0.15
SAID = (0.1, 0.9)
"""Of what could be said of a picture a sentence says so large a share, its own each time: people ask in three words and
in thirty."""
_NOISE_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def training_prompt(
    traits: Traits, rng: torch.Generator, *, empty_probability: float = EMPTY_PROMPT_PROBABILITY
) -> str:
    """A caption; sometimes empty (for guidance), sometimes with a meaningless word (so that such words do no harm)."""
    if float(torch.rand((), generator=rng)) < empty_probability:
        return ""
    least, most = SAID
    sentence = caption(traits, rng, keep=least + (most - least) * float(torch.rand((), generator=rng)))
    if float(torch.rand((), generator=rng)) < NOISE_WORD_PROBABILITY:
        letters = torch.randint(len(_NOISE_LETTERS), (int(torch.randint(3, 10, (), generator=rng)),), generator=rng)
        word = "".join(_NOISE_LETTERS[i] for i in letters.tolist())
        parts = sentence.split(", ")
        parts.insert(1 + int(torch.randint(len(parts), (), generator=rng)), word)
        sentence = ", ".join(parts)
    return sentence


def training_prompts(traits: Sequence[Sequence[Traits]], plan: Plan) -> list[str]:
    """The sentences of a plan's rows; ``traits`` by record and variant."""
    rows = zip(*(plan[name].tolist() for name in ("record", "variant", "text_seed")), strict=True)
    return [
        training_prompt(traits[record][variant], torch.Generator().manual_seed(seed)) for record, variant, seed in rows
    ]
