"""A noisy batch: what the denoiser is asked, how its answer is measured, and the captions."""

import pytest
import torch

from limner.systems import miniature_batch
from limner.systems.miniature_batch import NoisyPictures, tokenize, training_prompt
from tests.systems.tiny import CONFIG, TRAITS, encoded_faces, miniature


def test_the_aim_is_velocity_weighted_by_min_snr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature_batch, "draw_timesteps", lambda batch, rng: torch.tensor([0, 300, 700, 999]))
    pictures = NoisyPictures(encoded_faces(), miniature().tokenizer, batch=4, weight="min-snr")
    batch = pictures.draw(torch.Generator().manual_seed(0))
    latents = pictures.faces.latents[batch.record, batch.variant].float()
    # Almost no noise at the first step; at the last almost nothing else, so that the velocity is minus the picture.
    torch.testing.assert_close(batch.noisy[0], latents[0], atol=0.1, rtol=0)
    torch.testing.assert_close(batch.target[3], -latents[3], atol=0.01, rtol=0)
    kept = pictures.schedule.alphas_cumprod[[0, 300, 700, 999]]
    ratio = kept / (1 - kept)
    weight = ratio.clamp(max=5) / (ratio + 1)
    # Off by ``k`` in sample ``k``: the squares say how much each sample counts.
    wrong = batch.target + torch.arange(1.0, 5.0)[:, None, None, None]
    expected = (weight * torch.tensor([1.0, 4.0, 9.0, 16.0])).mean()
    torch.testing.assert_close(pictures.loss(wrong, batch), expected)
    assert pictures.loss(batch.target, batch) == 0


def test_prompts_are_sometimes_empty_and_sometimes_hold_a_meaningless_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature_batch, "caption", lambda traits, rng: "a man, smiling, black hair")
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


def test_token_ids_are_padded_and_cut() -> None:
    tokenizer = miniature().tokenizer
    ids = tokenize(tokenizer, ["", "a man", "a man, " * 40])
    assert ids.shape == (3, CONFIG.max_tokens)
    assert ids[0, 1:].unique().tolist() == [tokenizer.pad_token_id]
    assert ids[:, 0].unique().tolist() == [tokenizer.bos_token_id]
    assert ids[2, -1] == tokenizer.eos_token_id
