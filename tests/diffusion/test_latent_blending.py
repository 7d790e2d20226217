"""Outside the mask a stock image-to-image pipeline ends with the picture's own latents; inside it draws."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from PIL import Image

from limner.diffusion.backbone import encode_pictures
from limner.diffusion.latent_blending import LatentBlend, seeded_noise
from limner.diffusion.samplers import SAMPLERS, new_sampler
from tests.apps.tiny_models import tiny_miniature


@pytest.fixture(scope="module")
def pipeline() -> Any:
    stock = StableDiffusionImg2ImgPipeline(**tiny_miniature().pipeline().components, requires_safety_checker=False)
    stock.set_progress_bar_config(disable=True)
    return stock


PICTURES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
MASK = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
MASK[:, :, 16:40, 25:40] = True


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_outside_is_the_picture_and_inside_is_new(pipeline: Any, name: str, strength: float) -> None:
    latents = encode_pictures(pipeline.vae, PICTURES)
    blend = LatentBlend(latents, MASK, seeded_noise([3, 4], latents))
    pipeline.scheduler = new_sampler(pipeline.scheduler, name)
    pictures = ((PICTURES + 1) * 127.5).permute(0, 2, 3, 1).numpy().astype(np.uint8)
    drawn = pipeline(
        prompt=["a", "b"],
        image=[Image.fromarray(picture) for picture in pictures],
        strength=strength,
        num_inference_steps=4,
        generator=[torch.Generator().manual_seed(seed) for seed in (3, 4)],
        callback_on_step_end=blend,
        callback_on_step_end_tensor_inputs=list(blend.tensor_inputs),
        output_type="latent",
    ).images
    inside = blend.mask.bool().expand_as(drawn)
    assert inside[0, 0].nonzero().min(0).values.tolist() == [2, 3]
    assert inside[0, 0].nonzero().max(0).values.tolist() == [4, 4]
    assert torch.equal(drawn[~inside], latents[~inside])
    assert torch.isfinite(drawn).all()
    assert (drawn - latents)[inside].abs().mean() > 0.05


@torch.no_grad()
def test_on_the_way_the_outside_has_the_noise_of_the_next_step(pipeline: Any) -> None:
    latents = encode_pictures(pipeline.vae, PICTURES)
    noise = seeded_noise([3, 4], latents)
    blend = LatentBlend(latents, MASK, noise)
    pipeline.scheduler = new_sampler(pipeline.scheduler, "ddim")
    seen: list[torch.Tensor] = []

    def watch(called: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(blend(called, step, timestep, tensors)["latents"])
        return {"latents": seen[-1]}

    pipeline(
        prompt=["a", "b"],
        image=PICTURES / 2 + 0.5,
        strength=0.75,
        num_inference_steps=4,
        generator=[torch.Generator().manual_seed(1) for _ in range(2)],
        callback_on_step_end=watch,
    )
    assert len(seen) == 3
    steps = pipeline.scheduler.timesteps[-2:]
    for state, step in zip(seen, steps, strict=False):
        kept = pipeline.scheduler.alphas_cumprod[step]
        expected = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        torch.testing.assert_close(state[:, :, 0], expected[:, :, 0])
    assert torch.equal(seen[-1][:, :, 0], latents[:, :, 0])


def test_noise_depends_on_its_own_seed_only() -> None:
    like = torch.zeros(2, 4, 3, 3)
    assert torch.equal(seeded_noise([5, 6], like)[1], seeded_noise([6, 7], like)[0])
    assert not torch.equal(seeded_noise([5, 6], like)[0], seeded_noise([5, 6], like)[1])
