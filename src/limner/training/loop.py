"""The training loop: steps, logging, checkpoints, resume. It names no model.

Devices, precision and processes are accelerate's. Every random number of step ``n`` depends on the seed and ``n``, so a
resumed run draws what the unbroken one would have drawn.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from limner.systems.contract import Batch, Inspectable, LossTerms, Trainable
from limner.training.batches import Share, batches, generator_of
from limner.training.checks import require_disjoint_gradients, require_finite, require_known_terms
from limner.training.engine import (
    SHARDED,
    StepModule,
    Trackers,
    compute_dtype,
    gathered,
    make_accelerator,
    mean_over_processes,
    on_device,
    tell_deepspeed,
)
from limner.training.gallery import Gallery
from limner.training.log import Log
from limner.training.optimizer import MovingAverage, parameter_groups, set_learning_rate
from limner.training.report import write_report
from limner.training.settings import LoopSettings as LoopSettings
from limner.training.state import Learner, store_of, sweep

Told = Callable[[int, dict[str, float]], None]
"""Told of a step number and the means since the last one told of."""


class Run:
    """One run in one folder: ``state.pt`` (everything to go on), ``log.csv`` (loss terms and speed), ``report.html``.

    Attributes:
        average: moving average of the trained weights.
        step: steps done.
    """

    def __init__(self, folder: Path, trainable: Trainable, settings: LoopSettings) -> None:
        """Start, or go on from what ``folder`` holds.

        Args:
            folder: made if it is missing.
            trainable: what is to fall, and the module whose parameters are moved.
            settings: how long and how fast.

        Raises:
            CheckpointError: the folder's state is broken or of another module.
            ConfigError: the batch cannot be shared by the processes, or accelerate cannot do what is asked.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.trainable, self.settings = folder, trainable, settings
        self.module = trainable.module
        self.accelerator = make_accelerator(settings, folder)
        trainable.place(self.accelerator.device, compute_dtype(self.accelerator))
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes, settings.accumulate)
        rows = self.share.rows(trainable.draw(0, generator_of(settings.seed, 0)), 0)
        tell_deepspeed(self.accelerator, settings, rows=len(next(iter(rows.values()))))
        groups = parameter_groups(self.module, settings)
        optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas=(0.9, 0.99), fused=True)
        self.model, self.optimizer = self.accelerator.prepare(StepModule(trainable), optimizer)
        self.average = MovingAverage(self.module, settings.ema_decay)
        self._learner = Learner(self.accelerator, self.module, self.optimizer, self.average)
        self._store = store_of(self.accelerator, folder)
        self._progress = self._store.read(self._learner)
        self._log = Log(folder / "log.csv")
        self._gallery = Gallery(folder)
        self._trackers = Trackers(self.accelerator, settings)
        self._checked = False
        if self.writes:
            sweep(folder)
            self._log.forget_after(self.step)
            self._gallery.forget_after(self.step)

    @property
    def step(self) -> int:
        """Steps done."""
        return self._progress.step

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self.accelerator.is_main_process

    def train(self, *, progress: Told | None = None) -> None:
        """Go on until the last step; saves on the way and at the end.

        Raises:
            ConfigError: a weight is given for a loss term that does not exist, the loss is no longer finite, or a
                gradient is where it should not be.
        """
        settings = self.settings
        self.accelerator.gradient_accumulation_steps = settings.accumulate  # all accelerators of a process share it
        device, started = self.accelerator.device, time.monotonic()
        loaded = batches(
            self.trainable,
            seed=settings.seed,
            share=self.share,
            start=self.step,
            steps=settings.steps,
            workers=settings.workers,
            pin=device.type == "cuda",
        )
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            while self.step < settings.steps:
                self._progress.window.append(self._advance(loaded))
                self._progress.step += 1
                if self._is_due(settings.log_every):
                    now = time.monotonic()
                    self._progress.seconds, started = self._progress.seconds + now - started, now
                    self._tell(progress)
                if settings.inspect_every and self._is_due(settings.inspect_every):
                    self._inspect()
                if self._is_due(settings.save_every):
                    self.save()
        self._trackers.finish()

    def averaged(self) -> nn.Module:
        """The trained module with the averaged weights, on the CPU of the process that writes; ends the run.

        Every process must call it.
        """
        self.average.copy_to(self.module)
        if self.accelerator.distributed_type in SHARDED:
            whole = gathered(self.accelerator, self.model)
            if self.writes:
                self.module.load_state_dict(whole, assign=True)
            return self.module
        return self.module.cpu()

    def save(self) -> None:
        """Write everything needed to go on, in one step."""
        self._store.write(self._learner, self._progress)
        if self.writes:
            write_report(self.folder)

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.settings.steps

    def _advance(self, loaded: Iterator[Batch]) -> dict[str, float]:
        settings = self.settings
        set_learning_rate(self.optimizer, settings, self.step)
        # For whatever draws from the process's own random numbers, such as a dropout layer.
        torch.manual_seed(settings.seed * 10_000_019 + self.step + (self.share.rank << 40))
        sums: dict[str, Tensor] = {}
        for _ in range(settings.accumulate):
            for name, term in self._backward(on_device(next(loaded), self.accelerator.device)).items():
                sums[name] = sums.get(name, 0.0) + term.detach() / settings.accumulate
        norm = self._clip()
        numbers = mean_over_processes(self.accelerator, sums | {"gradient_norm": norm})
        if self.accelerator.scaler is None:  # which meets an overflow by leaving a step out
            require_finite(numbers, self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.module)
        return numbers

    def _backward(self, batch: Batch) -> LossTerms:
        with self.accelerator.accumulate(self.model):
            terms: LossTerms = self.model(batch, self.step)
            require_known_terms(self.settings, terms)
            weighted = [self.settings.weight_of(name, self.step) * term for name, term in terms.items()]
            self.accelerator.backward(torch.stack(weighted).sum())
        return terms

    def _clip(self) -> Tensor:
        if not self._checked and self.accelerator.distributed_type not in SHARDED:
            require_disjoint_gradients(self.module, self.trainable.frozen)
            self._checked = True
        trained = [p for p in self.module.parameters() if p.requires_grad]
        norm = self.accelerator.clip_grad_norm_(trained, self.settings.clip_norm)
        return torch.as_tensor(float("nan") if norm is None else norm, device=self.accelerator.device)

    def _tell(self, progress: Told | None) -> None:
        window = self._progress.window
        means = {name: sum(row[name] for row in window) / len(window) for name in window[0]}
        self._progress.window = []
        if not self.writes:
            return
        self._log.append(self.step, {"seconds": round(self._progress.seconds, 1)} | means)
        self._trackers.log(self.step, means)
        if progress is not None:
            progress(self.step, means)

    def _inspect(self) -> None:
        """Sharded weights are nowhere whole, so there is nothing to look at there."""
        sharded = self.accelerator.distributed_type in SHARDED
        if not self.writes or sharded or not isinstance(self.trainable, Inspectable):
            return
        with torch.no_grad(), self.average.applied_to(self.module), self.accelerator.autocast():
            self._gallery.add(self.step, self.trainable.inspect())
