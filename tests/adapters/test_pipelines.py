"""The adapter inside unmodified diffusers pipelines."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from limner.core.errors import AdapterError
from tests.contracts.backbones import awake, faces
from tests.contracts.pipelines import PIPELINES, Pipeline, PipelineKind, draw

PROMPTS = ["a photo of a person", "me, smiling"]
SEEDS = [3, 4]
every_pipeline = pytest.mark.parametrize("kind", PIPELINES, ids=lambda kind: kind.name)
TEXT_TO_IMAGE = PIPELINES[0]


def opened(kind: PipelineKind) -> tuple[Pipeline, Any]:
    pipeline = kind.build()
    return pipeline, pipeline.unet


def near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() < 1e-4)


@every_pipeline
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_different_people_in_one_batch_equal_one_by_one(kind: PipelineKind, guidance_scale: float) -> None:
    pipeline, unet = opened(kind)
    adapter, people, null = awake(unet), faces(2), faces(1, seed=8)
    guided = guidance_scale > 1
    base = draw(pipeline, kind, PROMPTS, SEEDS, guidance_scale=guidance_scale)
    with adapter.injected(unet):
        assert np.array_equal(draw(pipeline, kind, PROMPTS, SEEDS, guidance_scale=guidance_scale), base)
        with adapter.conditioned(people, null, scale=0.0):
            assert np.array_equal(draw(pipeline, kind, PROMPTS, SEEDS, guidance_scale=guidance_scale), base)
        with adapter.conditioned(people, null, guided=guided):
            together = draw(pipeline, kind, PROMPTS, SEEDS, guidance_scale=guidance_scale)
        for row in range(2):
            with adapter.conditioned(people[row : row + 1], null, guided=guided):
                alone = draw(pipeline, kind, PROMPTS[row : row + 1], [SEEDS[row]], guidance_scale=guidance_scale)
            assert near(together[row : row + 1], alone)
        assert not near(together, base)
    assert np.array_equal(draw(pipeline, kind, PROMPTS, SEEDS, guidance_scale=guidance_scale), base)


# Without inpainting: that pipeline draws the noise of several images in another order than that of one.
@pytest.mark.parametrize("kind", [kind for kind in PIPELINES if kind.name != "inpaint"], ids=lambda kind: kind.name)
def test_several_images_per_prompt_show_the_prompts_person(kind: PipelineKind) -> None:
    pipeline, unet = opened(kind)
    adapter, people, null = awake(unet), faces(2), faces(1, seed=8)
    with adapter.injected(unet):
        with adapter.conditioned(people, null):
            pictures = draw(pipeline, kind, PROMPTS, [1, 2, 3, 4], num_images_per_prompt=2)
        for row, person in enumerate([0, 0, 1, 1]):
            with adapter.conditioned(people[person : person + 1], null):
                alone = draw(pipeline, kind, [PROMPTS[person]], [row + 1])
            assert near(pictures[row : row + 1], alone)


def test_guidance_amplifies_the_face_only_where_the_null_face_stands_beside_it() -> None:
    pipeline, unet = opened(TEXT_TO_IMAGE)
    adapter, face = awake(unet), faces(1)
    with adapter.injected(unet):
        pictures = []
        for null in (None, face, faces(1, seed=8)):
            with adapter.conditioned(face, null):
                pictures.append(draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1]))
    assert near(pictures[0], pictures[1])
    assert not near(pictures[0], pictures[2])


def test_a_window_follows_the_noise_of_any_pipeline() -> None:
    pipeline, unet = opened(TEXT_TO_IMAGE)
    adapter, face = awake(unet), faces(1)
    calls: dict[str, int] = {}
    for name, window in {"all": (0.0, 1.0), "late": (0.5, 1.0), "early": (0.0, 0.5)}.items():
        with adapter.injected(unet), adapter.conditioned(face, window=window), adapter.record_increments() as records:
            draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1], num_inference_steps=4)
            calls[name] = len(records) // len(adapter.sites)
    assert calls == {"all": 4, "late": 2, "early": 2}


@pytest.mark.parametrize("loaded", ["before", "after"])
def test_lora_and_adapter_live_together(loaded: str) -> None:
    """A LoRA on the wrapped attention is found under its own names, and each leaves without the other."""
    pipeline, unet = opened(TEXT_TO_IMAGE)
    random = torch.Generator().manual_seed(0)
    lora: dict[str, torch.Tensor] = {}
    for name, module in unet.named_modules():
        if name.endswith(("attn2.to_q", "attn1.to_v")) and isinstance(module, nn.Linear):
            lora[f"unet.{name}.lora_A.weight"] = torch.randn(2, module.in_features, generator=random)
            lora[f"unet.{name}.lora_B.weight"] = torch.randn(module.out_features, 2, generator=random)
    adapter, face, null = awake(unet), faces(1), faces(1, seed=8)

    def picture() -> np.ndarray:
        return draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1])

    plain = picture()
    if loaded == "before":
        pipeline.load_lora_weights(dict(lora))
    adapter.inject(unet)
    if loaded == "after":
        pipeline.load_lora_weights(dict(lora))
    with adapter.conditioned(face, null):
        both = picture()
    styled = picture()
    adapter.eject()
    assert np.array_equal(picture(), styled)
    pipeline.unload_lora_weights()
    assert np.array_equal(picture(), plain)
    with adapter.injected(unet), adapter.conditioned(face, null):
        faced = picture()
    for one, other in [(plain, styled), (plain, faced), (styled, both), (faced, both)]:
        assert not near(one, other)


def test_attention_processors_may_change_while_the_adapter_is_in() -> None:
    from diffusers.models.attention_processor import AttnProcessor

    pipeline, unet = opened(TEXT_TO_IMAGE)
    adapter, face, null = awake(unet), faces(1), faces(1, seed=8)

    def picture() -> np.ndarray:
        with adapter.conditioned(face, null):
            return draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1])

    with adapter.injected(unet):
        fused = picture()
        pipeline.enable_attention_slicing(1)
        assert near(picture(), fused)
        pipeline.disable_attention_slicing()
        unet.set_attn_processor(AttnProcessor())
        assert near(picture(), fused)
        with adapter.conditioned(face, null, scale=0.0):
            base = draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1])
        assert not near(base, fused)


@pytest.mark.parametrize("placed", ["before", "after"])
@pytest.mark.parametrize("sequential", [False, True])
def test_offloading_hooks_keep_the_adapter(placed: str, sequential: bool) -> None:
    """The hooks of `enable_model_cpu_offload` and `enable_sequential_cpu_offload`, both placed on a CPU."""
    from accelerate import cpu_offload, cpu_offload_with_hook
    from accelerate.hooks import remove_hook_from_module

    pipeline, unet = opened(TEXT_TO_IMAGE)
    adapter, face, null = awake(unet), faces(1), faces(1, seed=8)

    def offload() -> None:
        if sequential:
            cpu_offload(unet, execution_device=torch.device("cpu"))
        else:
            cpu_offload_with_hook(unet, execution_device=torch.device("cpu"))

    def picture() -> np.ndarray:
        return draw(pipeline, TEXT_TO_IMAGE, PROMPTS[:1], SEEDS[:1])

    base = picture()
    with adapter.injected(unet), adapter.conditioned(face, null):
        faced = picture()
    if placed == "before":
        offload()
    adapter.inject(unet)
    if placed == "after":
        offload()
    with adapter.conditioned(face, null):
        assert np.array_equal(picture(), faced)
    with adapter.conditioned(face, null, window=(0.5, 1.0)):
        assert not np.array_equal(picture(), faced)
    adapter.eject()
    assert np.array_equal(picture(), base)
    remove_hook_from_module(unet, recurse=True)


def test_rows_that_do_not_fit_the_people_are_told() -> None:
    pipeline, unet = opened(TEXT_TO_IMAGE)
    adapter = awake(unet)
    with adapter.injected(unet), adapter.conditioned(faces(3), faces(1)), pytest.raises(AdapterError, match="3 people"):
        draw(pipeline, TEXT_TO_IMAGE, PROMPTS, SEEDS)
