"""The training loop: steps, logging, checkpoints, resume. It names no model.

Every random number of step ``n`` comes from a generator seeded with ``(seed, n)``, so a resumed run draws what the
unbroken one would have drawn.
"""

import csv
import math
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from limner.core.config import Config
from limner.core.errors import CheckpointError, ConfigError
from limner.core.files import replacing
from limner.systems.contract import Objective
from limner.training.optimizer import MovingAverage, learning_rate_factor, parameter_groups


class LoopSettings(Config):
    """How long and how fast; ``weights`` multiplies loss terms by name (1 where not said)."""

    steps: PositiveInt
    learning_rate: PositiveFloat
    warmup_steps: NonNegativeInt = 200
    decay_steps: NonNegativeInt = 1000
    weight_decay: NonNegativeFloat = 0.01
    clip_norm: PositiveFloat = 1.0
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    seed: NonNegativeInt = 0
    log_every: PositiveInt = 20
    save_every: PositiveInt = 250
    weights: Mapping[str, float] = Field(default_factory=dict)


class Run:
    """One run in one folder: ``state.pt`` (everything to go on), ``log.csv`` (loss terms and speed)."""

    def __init__(self, folder: Path, objective: Objective, settings: LoopSettings) -> None:
        """Start, or go on from what ``folder`` holds.

        Args:
            folder: made if it is missing.
            objective: what is to fall, and the module whose parameters are moved.
            settings: how long and how fast.

        Raises:
            CheckpointError: the folder's state is broken or of another module.
        """
        self.folder, self.objective, self.settings = folder, objective, settings
        self.module = objective.module
        folder.mkdir(parents=True, exist_ok=True)
        groups = parameter_groups([self.module], settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.99), fused=True)
        self.average = MovingAverage(self.module, settings.ema_decay)
        self.step = 0
        self.seconds = 0.0
        self.window: list[dict[str, float]] = []
        """Numbers of the steps since the log's last row; part of the state, so that a resumed log is the same."""
        if (folder / "state.pt").exists():
            self._restore()
        self._forget_rows_after(self.step)

    def train(self, *, progress: Callable[[int, dict[str, float]], None] | None = None) -> None:
        """Go on until the last step; saves on the way and at the end.

        Raises:
            ConfigError: a weight is given for a loss term that does not exist, or the loss is no longer finite.
        """
        trained = [p for p in self.module.parameters() if p.requires_grad]
        started = time.monotonic()
        while self.step < self.settings.steps:
            self.window.append(self._advance(trained))
            self.step += 1
            if self.step % self.settings.log_every == 0 or self.step == self.settings.steps:
                now = time.monotonic()
                self.seconds, started = self.seconds + now - started, now
                means = {name: sum(row[name] for row in self.window) / len(self.window) for name in self.window[0]}
                self._log(means)
                self.window = []
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
        terms = self.objective(self.step, rng)
        _require_known(settings.weights, terms)
        total = torch.stack([settings.weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
        total.backward()
        norm = nn.utils.clip_grad_norm_(trained, settings.clip_norm)
        numbers = {name: float(term.detach()) for name, term in terms.items()} | {"gradient_norm": float(norm)}
        _require_finite(numbers, self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.module)
        return numbers

    def save(self) -> None:
        """Write everything needed to go on; the file changes in one step."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "window": self.window,
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict(),
        }
        with replacing(self.folder / "state.pt") as path:
            torch.save(state, path)

    def _restore(self) -> None:
        path = self.folder / "state.pt"
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            self.step, self.seconds, self.window = state["step"], state["seconds"], state["window"]
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average.load_state_dict(state["average"])
        except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{path} is broken or of another model ({error}); choose another folder, or delete it to start anew"
            ) from error

    def _forget_rows_after(self, step: int) -> None:
        """Rows written after the last save are about to be written again."""
        path = self.folder / "log.csv"
        if not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or ())
            rows = [row for row in reader if None not in row.values() and int(row["step"]) <= step]
        with replacing(path) as unfinished, unfinished.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names)
            writer.writeheader()
            writer.writerows(rows)

    def _log(self, means: dict[str, float]) -> None:
        path = self.folder / "log.csv"
        row = {"step": self.step, "seconds": round(self.seconds, 1)} | {k: round(v, 6) for k, v in means.items()}
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def _require_known(weights: Mapping[str, float], terms: Mapping[str, Tensor]) -> None:
    unknown = sorted(weights.keys() - terms.keys())
    if unknown:
        raise ConfigError(f"weights of {', '.join(unknown)}, but the loss has {', '.join(terms)}; correct the recipe")


def _require_finite(numbers: Mapping[str, float], step: int) -> None:
    """Better to stop than to write weights that are not numbers over the last good state."""
    if not all(math.isfinite(number) for number in numbers.values()):
        told = ", ".join(f"{name} {number:g}" for name, number in numbers.items())
        raise ConfigError(f"training diverged at step {step} ({told}); lower learning_rate and run again")
