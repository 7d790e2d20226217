"""The base's objective on a tiny base: that it learns, and what a step depends on."""

from pathlib import Path

import torch

from limner.systems.miniature_base import MiniatureBase
from limner.systems.miniature_batch import NoisyPictures
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import encoded_faces, miniature


def base() -> MiniatureBase:
    parts = miniature()
    pictures = NoisyPictures(encoded_faces(), parts.tokenizer, batch=4, weight="min-snr")
    return MiniatureBase(parts.unet, parts.text_encoder, pictures)


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
