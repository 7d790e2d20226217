"""The base's objective on a tiny base: prompts, batches, and that it learns."""

from pathlib import Path

import pytest
import torch

from limner.systems import miniature_base
from limner.systems.miniature_base import MiniatureBase, tokenize, training_prompt
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import CONFIG, TRAITS, encoded_faces, miniature


def base() -> MiniatureBase:
    parts = miniature()
    return MiniatureBase(parts.unet, parts.text_encoder, parts.tokenizer, encoded_faces(), batch=4, weight="min-snr")


def loss_of(task: MiniatureBase, seeds: range) -> float:
    with torch.no_grad():
        terms = [task(0, torch.Generator().manual_seed(seed))["denoising"] for seed in seeds]
    return float(torch.stack(terms).mean())


def test_training_lowers_the_loss_and_moves_both_parts(tmp_path: Path) -> None:
    task = base()
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    first = loss_of(task, range(20))
    settings = LoopSettings(steps=30, learning_rate=0.01, warmup_steps=3, decay_steps=5, log_every=10)
    Run(tmp_path, task, settings).train()
    assert loss_of(task, range(20)) < 0.95 * first
    after = task.module.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"unet", "text_encoder"}


def test_a_step_follows_from_its_generator() -> None:
    task = base()
    one, same, other = (task(0, torch.Generator().manual_seed(seed))["denoising"] for seed in (1, 1, 2))
    assert one.item() == same.item() != other.item()


def test_the_aim_is_velocity_weighted_by_min_snr(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        seen.append((target, weight))
        return prediction.mean()

    task = base()
    monkeypatch.setattr(miniature_base, "denoising_loss", spy)
    monkeypatch.setattr(miniature_base, "draw_timesteps", lambda batch, rng: torch.tensor([0, 300, 700, 999]))
    task(0, torch.Generator().manual_seed(0))
    ((target, weight),) = seen
    rng = torch.Generator().manual_seed(0)
    record, variant = torch.randint(6, (4,), generator=rng), torch.randint(2, (4,), generator=rng)
    latents = task.faces.latents[record, variant].float()
    kept = task.schedule.alphas_cumprod[[0, 300, 700, 999]]
    # At the last step almost all is noise, so that the velocity is minus the picture.
    torch.testing.assert_close(target[3], -latents[3], atol=0.01, rtol=0)
    ratio = kept / (1 - kept)
    torch.testing.assert_close(weight, ratio.clamp(max=5) / (ratio + 1))


def test_prompts_are_sometimes_empty_and_sometimes_hold_a_meaningless_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miniature_base, "caption", lambda traits, rng: "a man, smiling, black hair")
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
