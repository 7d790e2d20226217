"""Sentences from the memory are what the stock pipeline makes of each alone."""

from typing import Any

import numpy as np
import pytest
import torch

from limner.diffusion.prompts import PromptMemory
from tests.contracts.pipelines import PIPELINES

STOCK = {kind.name: kind for kind in PIPELINES}
PAIRS = [("me, smiling", ""), ("a hat", "glasses"), ("me, smiling", "")]


@pytest.fixture(params=["text-to-image", "sdxl"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    return STOCK[request.param].build()


@pytest.fixture
def calls(pipeline: Any) -> list[int]:
    """Rows of each call of the first text encoder."""
    seen: list[int] = []
    pipeline.text_encoder.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    return seen


def draw(pipeline: Any, **words: Any) -> np.ndarray:
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    return pipeline(generator=generators, num_inference_steps=2, guidance_scale=3.0, output_type="np", **words).images


@pytest.mark.parametrize("guided", [True, False])
def test_each_row_is_as_if_alone_and_encoded_once(pipeline: Any, calls: list[int], guided: bool) -> None:
    memory = PromptMemory()
    first = memory.encoded(pipeline, PAIRS, guided=guided)
    number = len(calls)
    again = memory.encoded(pipeline, PAIRS[::-1], guided=guided)
    assert len(calls) == number
    assert all(len(part) == 3 for part in first.values())
    assert ("negative_prompt_embeds" in first) == guided
    for row, (prompt, negative) in enumerate(PAIRS):
        with torch.no_grad():
            alone = pipeline.encode_prompt(
                prompt=prompt,
                negative_prompt=negative or None,
                device="cpu",
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
            )
        for part, wanted in zip(first.values(), [part for part in alone if part is not None], strict=True):
            assert torch.equal(part[row : row + 1], wanted)
    assert all(torch.equal(part.flip(0), again[name]) for name, part in first.items())


def test_a_stock_pipeline_draws_the_same_from_it(pipeline: Any) -> None:
    encoded = PromptMemory().encoded(pipeline, [("me, smiling", "")], guided=True)
    wanted = draw(pipeline, prompt="me, smiling", num_images_per_prompt=3)
    assert np.array_equal(draw(pipeline, **encoded, num_images_per_prompt=3), wanted)


def test_nothing_old_is_found_after_a_change(pipeline: Any, calls: list[int]) -> None:
    memory = PromptMemory()
    before = memory.encoded(pipeline, PAIRS[:1], guided=False)["prompt_embeds"]
    with torch.no_grad():
        for parameter in pipeline.text_encoder.parameters():
            parameter.mul_(1.5)
    after = memory.encoded(pipeline, PAIRS[:1], guided=False)["prompt_embeds"]
    assert not torch.allclose(before, after)
    assert len(calls) == 2


def test_nothing_is_kept_while_a_lora_is_in_a_text_encoder(pipeline: Any, calls: list[int]) -> None:
    memory = PromptMemory()
    pipeline.text_encoder.peft_config = {"style": object()}
    for _ in range(2):
        memory.encoded(pipeline, PAIRS[:1], guided=False)
    assert len(calls) == 2
    assert len(memory) == 0


def test_so_many_sentences_are_kept(pipeline: Any) -> None:
    memory = PromptMemory(capacity=1)
    memory.encoded(pipeline, PAIRS, guided=True)
    assert len(memory) == 1
    memory.close()
    assert len(memory.encoded(pipeline, PAIRS, guided=True)["prompt_embeds"]) == 3
    assert len(memory) == 0
