"""The training loop: steps, logging, checkpoints, resume. It names no model.

Every random number of step ``n`` comes from a generator seeded with ``(seed, n)``, so a resumed run draws what the
unbroken one would have drawn.
"""

import csv
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from limner.core.config import Config
from limner.core.files import replacing
from limner.training.optimizer import MovingAverage, learning_rate_factor, parameter_groups

Loss = Callable[[int, torch.Generator], dict[str, Tensor]]
"""Step number and its generator -> named, unweighted loss terms."""


class LoopSettings(Config):
    """How long and how fast; ``weights`` multiplies loss terms by name (1 where not said)."""

    steps: PositiveInt
    learning_rate: PositiveFloat
    warmup_steps: int = 200
    decay_steps: int = 1000
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    log_every: int = 20
    save_every: int = 250
    weights: Mapping[str, float] = Field(default_factory=dict)


class Run:
    """One run in one folder: ``state.pt`` (everything to go on), ``log.csv`` (loss terms and speed)."""

    def __init__(self, folder: Path, module: nn.Module, loss: Loss, settings: LoopSettings) -> None:
        """``module`` holds all trained parameters; ``loss`` uses it."""
        self.folder, self.module, self.loss, self.settings = folder, module, loss, settings
        folder.mkdir(parents=True, exist_ok=True)
        groups = parameter_groups([module], settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.99), fused=True)
        self.average = MovingAverage(module, settings.ema_decay)
        self.step = 0
        self.seconds = 0.0
        if (folder / "state.pt").exists():
            self._restore()

    def train(self, *, progress: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Go on until the last step; saves on the way and at the end."""
        trained = [p for p in self.module.parameters() if p.requires_grad]
        window: list[dict[str, float]] = []
        started = time.monotonic()
        while self.step < self.settings.steps:
            terms = self._advance(trained)
            window.append(terms)
            self.step += 1
            if self.step % self.settings.log_every == 0 or self.step == self.settings.steps:
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                means = {name: sum(row[name] for row in window) / len(window) for name in window[0]}
                self._log(means)
                window = []
                if progress is not None:
                    progress(self.step, means)
            if self.step % self.settings.save_every == 0 or self.step == self.settings.steps:
                self.save()

    def _advance(self, trained: list[nn.Parameter]) -> dict[str, float]:
        settings = self.settings
        factor = learning_rate_factor(
            self.step,
            warmup_steps=settings.warmup_steps,
            decay_steps=settings.decay_steps,
            total_steps=settings.steps,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
        rng = torch.Generator().manual_seed(settings.seed * 10_000_019 + self.step)
        terms = self.loss(self.step, rng)
        total = torch.stack([settings.weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
        total.backward()
        norm = nn.utils.clip_grad_norm_(trained, settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.module)
        return {name: float(term.detach()) for name, term in terms.items()} | {"gradient_norm": float(norm)}

    def save(self) -> None:
        """Write everything needed to go on; the file changes in one step."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
        }
        with replacing(self.folder / "state.pt") as path:
            torch.save(state, path)

    def _restore(self) -> None:
        state: dict[str, Any] = torch.load(self.folder / "state.pt", weights_only=True)
        self.step, self.seconds = state["step"], state["seconds"]
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load_state_dict(state["average"])

    def _log(self, means: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        row = {"step": self.step, "seconds": round(self.seconds, 1)} | {k: round(v, 6) for k, v in means.items()}
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
