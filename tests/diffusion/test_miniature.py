"""The parts make stock pipelines, and what was saved comes back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from torch import nn

from limner.core.checkpoint import Header, load_checkpoint, read_header, save_checkpoint
from limner.core.errors import CheckpointError, InputError
from limner.diffusion.miniature import Miniature, begin_with, build_unet, load_autoencoder, save_autoencoder
from tests.apps.tiny_models import tiny_miniature


def draw(pipeline: Any, prompt: str | list[str], **options) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    rows = len(prompt) if isinstance(prompt, list) else 1
    generators = [torch.Generator().manual_seed(seed) for seed in range(rows)]
    settings = {"num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "np"} | options
    return pipeline(prompt, generator=generators, **settings).images


@pytest.fixture(scope="module")
def miniature() -> Miniature:
    return tiny_miniature()


@pytest.fixture(scope="module")
def saved(miniature: Miniature, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("miniature")
    miniature.save(folder)
    return folder


def test_the_parts_make_an_unmodified_pipeline(miniature: Miniature) -> None:
    pipeline = miniature.pipeline()
    assert type(pipeline) is StableDiffusionPipeline
    assert pipeline.vae_scale_factor == 8
    pictures = draw(pipeline, ["a woman", "a man"])
    assert pictures.shape == (2, 64, 64, 3)
    assert np.isfinite(pictures).all()
    assert not np.allclose(pictures[0], pictures[1])


@pytest.mark.parametrize("prompt", ["", "\U0001f600 東京 xyzzy", "a photo of a person, " * 300])
def test_no_words_unknown_words_and_endless_words_are_drawn(miniature: Miniature, prompt: str) -> None:
    assert np.isfinite(draw(miniature.pipeline(), prompt)).all()


def test_image_to_image_takes_the_same_parts(miniature: Miniature) -> None:
    pipeline: Any = StableDiffusionImg2ImgPipeline(**miniature.pipeline().components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)

    def redraw(strength: float) -> np.ndarray:
        return pipeline(
            "a woman",
            image=np.full((1, 64, 64, 3), 0.5, np.float32),
            strength=strength,
            num_inference_steps=4,
            generator=torch.Generator().manual_seed(0),
            output_type="np",
        ).images

    assert redraw(0.5).shape == (1, 64, 64, 3)
    assert np.isfinite(redraw(0.5)).all()
    assert not np.array_equal(redraw(0.5), redraw(1.0))


def test_what_was_saved_comes_back_close(miniature: Miniature, saved: Path) -> None:
    again = Miniature.load(saved)
    assert again.config == miniature.config
    assert not any(part.training for part in (again.unet, again.vae, again.text_encoder))
    sentence = "a photo of a woman, \U0001f600"
    assert again.tokenizer(sentence).input_ids == miniature.tokenizer(sentence).input_ids
    assert again.tokenizer.model_max_length == miniature.config.max_tokens
    torch.testing.assert_close(again.vae.latent_mean, miniature.vae.latent_mean)
    torch.testing.assert_close(again.vae.latent_deviation, miniature.vae.latent_deviation)
    for name, tensor in miniature.unet.state_dict().items():
        assert (again.unet.state_dict()[name] - tensor).abs().max() <= tensor.abs().max() / 250 + 1e-7
    assert np.abs(draw(again.pipeline(), "a woman") - draw(miniature.pipeline(), "a woman")).max() < 0.02


def test_weights_are_stored_in_8_bits_and_say_what_they_are(miniature: Miniature, saved: Path) -> None:
    weights = sum(tensor.numel() for tensor in miniature.unet.state_dict().values())
    assert (saved / "unet" / "model.safetensors").stat().st_size < 1.3 * weights
    licences = {part: read_header(saved / part / "model.safetensors").licence for part in ("unet", "vae")}
    assert licences == {"unet": "miniature-base", "vae": "taef2"}


def test_saving_and_loading_again_changes_nothing_more(saved: Path, tmp_path: Path) -> None:
    Miniature.load(saved).save(tmp_path)
    again, first = Miniature.load(tmp_path), Miniature.load(saved)
    for part in ("unet", "text_encoder", "vae"):
        for name, tensor in getattr(first, part).state_dict().items():
            torch.testing.assert_close(getattr(again, part).state_dict()[name], tensor, atol=1e-6, rtol=1e-5)


def test_loading_leaves_the_global_random_state_alone(saved: Path) -> None:
    before = torch.random.get_rng_state()
    Miniature.load(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_autoencoder_alone(miniature: Miniature, tmp_path: Path) -> None:
    save_autoencoder(tmp_path, miniature.vae, miniature.config)
    again = load_autoencoder(tmp_path)
    pictures = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(again.encode(pictures)[0], miniature.vae.encode(pictures)[0], atol=1e-2, rtol=0)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer"])
def test_a_missing_part_is_named(miniature: Miniature, tmp_path: Path, part: str) -> None:
    miniature.save(tmp_path)
    (tmp_path / part).rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=part):
        Miniature.load(tmp_path)


def test_a_part_of_something_else_is_refused(miniature: Miniature, tmp_path: Path) -> None:
    miniature.save(tmp_path)
    vae, unet = (tmp_path / part / "model.safetensors" for part in ("vae", "unet"))
    vae.write_bytes(unet.read_bytes())
    with pytest.raises(CheckpointError, match="miniature-tinyfaceautoencoder"):
        Miniature.load(tmp_path)


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_header_without_sizes_is_refused(miniature: Miniature, tmp_path: Path, part: str) -> None:
    miniature.save(tmp_path)
    path = tmp_path / part / "model.safetensors"
    tensors, header = load_checkpoint(path)
    save_checkpoint(path, tensors, Header(system=header.system, version="1", licence="l"))
    with pytest.raises(CheckpointError, match="does not say how its model is built"):
        Miniature.load(tmp_path)


def test_a_mangled_tokenizer_is_refused(miniature: Miniature, tmp_path: Path) -> None:
    miniature.save(tmp_path)
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        Miniature.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_told(miniature: Miniature, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        miniature.save(tmp_path / "file")


def test_the_sentence_as_a_whole_reaches_the_denoiser(miniature: Miniature) -> None:
    unet = build_unet(replace(miniature.config, pooled_text=True)).eval()
    for block in unet.modules():
        if isinstance(block, BasicTransformerBlock):
            nn.init.zeros_(block.get_parameter("attn2.to_v.weight"))  # the words one by one say nothing
    noisy, text = torch.randn(1, 32, 2, 2), torch.randn(2, 1, 4, miniature.config.text_width)
    with torch.no_grad():
        one, other = (unet(noisy, torch.tensor([500]), states).sample for states in text)
    assert (one - other).abs().max() > 1e-3


def test_a_sentence_path_starts_quiet_and_all_of_it_learns(miniature: Miniature) -> None:
    config = replace(miniature.config, pooled_text=True)
    unet = build_unet(config)
    begin_with(unet, miniature.text_encoder, miniature)
    noisy, text = torch.randn(1, 32, 2, 2), torch.randn(1, 4, config.text_width)
    spoken, mute = (model(noisy, torch.tensor([500]), text).sample for model in (unet, miniature.unet))
    assert 0 < (spoken - mute).std() < 0.3 * mute.std()
    spoken.square().mean().backward()
    assert all(part.grad is not None and part.grad.abs().max() > 0 for part in unet.add_embedding.parameters())


def test_weights_of_another_size_are_refused(miniature: Miniature) -> None:
    unet = build_unet(replace(miniature.config, channels=(64, 64)))
    with pytest.raises(CheckpointError, match="other sizes"):
        begin_with(unet, miniature.text_encoder, miniature)


def test_a_sentence_path_is_not_thrown_away(miniature: Miniature) -> None:
    spoken = replace(miniature, unet=build_unet(replace(miniature.config, pooled_text=True)))
    with pytest.raises(CheckpointError, match=r"built otherwise: add_embedding\."):
        begin_with(build_unet(miniature.config), miniature.text_encoder, spoken)
