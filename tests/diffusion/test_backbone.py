"""A backbone says what its pipeline would: text, latents, noise, predictions and pictures."""

from typing import Any

import pytest
import torch
from torch import Tensor

from limner.diffusion.backbone import StableDiffusionBackbone, StableDiffusionXLBackbone, TextStates
from tests.contracts.pipelines import PIPELINES, PIXELS

PROMPTS = ["a face", "two faces, smiling"]
BY_NAME = {kind.name: kind for kind in PIPELINES}
NAMES = ["text-to-image", "sdxl"]


def backbone_of(name: str) -> StableDiffusionBackbone:
    pipeline = BY_NAME[name].build()
    return StableDiffusionXLBackbone(pipeline) if name == "sdxl" else StableDiffusionBackbone(pipeline)


def states_of(backbone: StableDiffusionBackbone, prompts: list[str]) -> TextStates:
    return backbone.encode_text(backbone.tokenize(prompts))


@pytest.fixture(params=NAMES)
def backbone(request: pytest.FixtureRequest) -> StableDiffusionBackbone:
    return backbone_of(request.param)


def test_text_is_what_the_pipeline_makes_of_it(backbone: StableDiffusionBackbone) -> None:
    states = states_of(backbone, PROMPTS)
    expected = backbone.pipeline.encode_prompt(
        PROMPTS, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    torch.testing.assert_close(states.context, expected[0])
    if isinstance(backbone, StableDiffusionXLBackbone):
        torch.testing.assert_close(states.pooled, expected[2])
    else:
        assert states.pooled is None


def test_latents_are_the_mean_scaled_as_the_pipeline_reads_them(backbone: StableDiffusionBackbone) -> None:
    pictures = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = backbone.encode_pictures(pictures)
    vae = backbone.pipeline.vae
    with torch.no_grad():
        expected = vae.encode(pictures).latent_dist.mean * vae.config.scaling_factor
    torch.testing.assert_close(latents, expected)
    assert latents.shape[1:] == backbone.latent_shape
    assert backbone.pixels == PIXELS


def test_the_noise_is_the_bases_own() -> None:
    pipeline: Any = BY_NAME["text-to-image"].build()
    schedule = StableDiffusionBackbone(pipeline).noise_schedule
    torch.testing.assert_close(schedule.alphas_cumprod, pipeline.scheduler.alphas_cumprod)
    assert schedule.config.prediction_type == "epsilon"
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, prediction_type="v_prediction")
    assert StableDiffusionBackbone(pipeline).noise_schedule.config.prediction_type == "v_prediction"


def test_the_denoiser_is_asked_as_the_pipeline_asks(backbone: StableDiffusionBackbone) -> None:
    states = states_of(backbone, PROMPTS)
    noisy = torch.randn(2, *backbone.latent_shape, generator=torch.Generator().manual_seed(0))
    timesteps = torch.tensor([10, 700])
    added: dict[str, Any] = {}
    if states.pooled is not None:
        sizes = torch.tensor([[PIXELS, PIXELS, 0, 0, PIXELS, PIXELS]] * 2)
        added = {"added_cond_kwargs": {"text_embeds": states.pooled, "time_ids": sizes}}
    expected = backbone.pipeline.unet(noisy, timesteps, states.context, **added).sample
    torch.testing.assert_close(backbone.predict(noisy, timesteps, states), expected)


def test_sizes_matter_to_the_large_one_only() -> None:
    sizes = torch.tensor([[900.0, 700.0, 3.0, 5.0, 16.0, 16.0]])
    for name, matters in (("text-to-image", False), ("sdxl", True)):
        backbone = backbone_of(name)
        states, noisy = states_of(backbone, PROMPTS[:1]), torch.ones(1, *backbone.latent_shape)
        plain, told = (backbone.predict(noisy, torch.tensor([5]), states, given) for given in (None, sizes))
        assert torch.equal(plain, told) is not matters


def test_pictures_are_the_pipelines(backbone: StableDiffusionBackbone) -> None:
    found = backbone.sample(
        states_of(backbone, PROMPTS), states_of(backbone, [""]), seeds=[4, 5], num_steps=2, guidance_scale=3.0
    )
    generators = [torch.Generator().manual_seed(seed) for seed in (4, 5)]
    expected = backbone.pipeline(
        PROMPTS,
        negative_prompt=["", ""],
        generator=generators,
        num_inference_steps=2,
        guidance_scale=3.0,
        output_type="np",
    ).images
    assert found.shape == (2, PIXELS, PIXELS, 3)
    assert abs(found / 255 - expected).max() < 2 / 255


def test_everything_is_frozen_and_the_autoencoder_stays_whole(backbone: StableDiffusionBackbone) -> None:
    assert not any(parameter.requires_grad for part in backbone.parts for parameter in part.parameters())
    assert len(backbone.parts) == 2 + len(backbone.encoder_names)
    backbone.place(torch.device("cpu"), torch.bfloat16)
    kinds = {type(part).__name__: next(part.parameters()).dtype for part in backbone.parts}
    assert kinds.pop("AutoencoderKL") == torch.float32
    assert set(kinds.values()) == {torch.bfloat16}


def test_sentences_give_way_row_by_row() -> None:
    def states(value: float, rows: int) -> TextStates:
        return TextStates(torch.full((rows, 3, 2), value), torch.full((rows, 2), value))

    mixed = states(1.0, 3).where(torch.tensor([True, False, True]), states(0.0, 1))
    pooled: Any = mixed.pooled
    assert mixed.context[:, 0, 0].tolist() == pooled[:, 0].tolist() == [1.0, 0.0, 1.0]
    assert mixed.context.shape == (3, 3, 2)
    plain: Tensor | None = TextStates(torch.ones(1, 3, 2)).where(torch.tensor([False]), states(0.0, 1)).pooled
    assert plain is None
