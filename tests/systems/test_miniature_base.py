"""The base's objective on a tiny base: that it learns, what is asked, and what a step depends on."""

from pathlib import Path

import pytest
import torch

from limner.systems import miniature_base
from limner.systems.miniature_base import SAMPLE_PROMPTS, MiniatureBase
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import CONFIG, encoded_faces, miniature


def base() -> MiniatureBase:
    return MiniatureBase(miniature(), encoded_faces(), batch=4, weight="min-snr")


def terms_of(task: MiniatureBase, seed: int) -> torch.Tensor:
    with torch.no_grad():
        return task.loss(task.collate(task.draw(0, torch.Generator().manual_seed(seed))), 0)["denoising"]


def loss_of(task: MiniatureBase, seeds: range) -> float:
    return float(torch.stack([terms_of(task, seed) for seed in seeds]).mean())


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
    one, same, other = (terms_of(task, seed) for seed in (1, 1, 2))
    assert one.item() == same.item() != other.item()


def test_the_aim_is_velocity_weighted_by_min_snr(monkeypatch: pytest.MonkeyPatch) -> None:
    timesteps = torch.tensor([0, 300, 700, 999])
    monkeypatch.setattr(miniature_base, "draw_timesteps", lambda batch, rng, shift: timesteps)
    task = base()
    batch = task.collate(task.draw(0, torch.Generator().manual_seed(0)))
    velocity = task.schedule.get_velocity(batch["latents"], batch["noise"], timesteps)  # pyright: ignore[reportArgumentType]
    kept = task.schedule.alphas_cumprod[timesteps]
    ratio = kept / (1 - kept)
    answer = task.module["unet"](
        task.schedule.add_noise(batch["latents"], batch["noise"], timesteps),  # pyright: ignore[reportArgumentType]
        timesteps,
        task.module["text_encoder"](batch["token_ids"]).last_hidden_state,
    ).sample
    expected = ((answer - velocity).square().mean(dim=(1, 2, 3)) * ratio.clamp(max=5) / (ratio + 1)).mean()
    torch.testing.assert_close(task.loss(batch, 0)["denoising"], expected)


def test_a_row_is_the_same_in_whatever_part_it_comes() -> None:
    task = base()
    plan = task.draw(0, torch.Generator().manual_seed(0))
    whole = task.collate(plan)
    parts = [task.collate({name: rows[part] for name, rows in plan.items()}) for part in (slice(0, 1), slice(1, 4))]
    for name, rows in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), rows), name


def test_a_look_is_the_same_each_time_and_leaves_random_numbers_alone() -> None:
    task = base()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, again = task.inspect(), task.inspect()
    assert torch.equal(torch.rand(2), expected)
    assert [picture.shape for picture in first.pictures] == [(CONFIG.pixels, CONFIG.pixels, 3)] * len(SAMPLE_PROMPTS)
    assert all((one == other).all() for one, other in zip(first.pictures, again.pictures, strict=True))
    assert first.ratios == {}
