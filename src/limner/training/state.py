"""What a run needs to go on, on disk: whole or not at all, and read as plain tensors and numbers only.

Where every process holds everything, that is one file. FSDP and DeepSpeed share the state out, so there it is a folder
that accelerate writes, named after its step; the newest whole one counts.
"""

import os
import pickle
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import Optimizer

from limner.core.errors import CheckpointError
from limner.core.files import replacing
from limner.training.engine import SHARDED
from limner.training.optimizer import MovingAverage

FILE_NAME = "state.pt"
_BROKEN = (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError)


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: steps done.
        seconds: spent on them.
        window: numbers of the steps since the log's last row, so that a resumed log is the same.
    """

    step: int = 0
    seconds: float = 0.0
    window: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Learner:
    """What changes in training."""

    accelerator: Accelerator
    module: nn.Module
    optimizer: Optimizer
    average: MovingAverage


class Store(Protocol):
    """Where the state of a run is kept."""

    def write(self, learner: Learner, progress: Progress) -> None:
        """Keep the state; every process calls it."""
        ...

    def read(self, learner: Learner) -> Progress:
        """Put back what was kept last, if anything was.

        Raises:
            CheckpointError: it is broken or of another model.
        """
        ...


def store_of(accelerator: Accelerator, folder: Path) -> Store:
    """The store that fits how the run is shared out."""
    return ShardedStore(folder) if accelerator.distributed_type in SHARDED else FileStore(folder / FILE_NAME)


@dataclass(frozen=True)
class FileStore:
    """One file, written by the main process."""

    path: Path

    def write(self, learner: Learner, progress: Progress) -> None:
        if not learner.accelerator.is_main_process:
            return
        state: dict[str, Any] = {
            **_told(progress),
            "module": learner.module.state_dict(),
            "optimizer": learner.optimizer.state_dict(),
            "average": learner.average.state_dict(),
        }
        if learner.accelerator.scaler is not None:
            state["scaler"] = learner.accelerator.scaler.state_dict()
        with replacing(self.path) as path:
            torch.save(state, path)

    def read(self, learner: Learner) -> Progress:
        if not self.path.exists():
            return Progress()
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True, map_location="cpu")
            learner.module.load_state_dict(state["module"])
            learner.optimizer.load_state_dict(state["optimizer"])
            learner.average.load_state_dict(state["average"])
            if learner.accelerator.scaler is not None and "scaler" in state:
                learner.accelerator.scaler.load_state_dict(state["scaler"])
            return Progress(state["step"], state["seconds"], state["window"])
        except _BROKEN as error:
            raise _unreadable(self.path, error) from error


@dataclass(frozen=True)
class ShardedStore:
    """A folder ``state-<step>``; every process writes its part, and the name comes last."""

    folder: Path

    def write(self, learner: Learner, progress: Progress) -> None:
        accelerator = learner.accelerator
        target = self.folder / f"state-{progress.step:09d}"
        unfinished = self.folder / f".{target.name}.part"
        if accelerator.is_main_process:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(unfinished))
        torch.save(_told(progress) | {"average": learner.average.state_dict()}, unfinished / self._own(accelerator))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            shutil.rmtree(target, ignore_errors=True)
            os.replace(unfinished, target)
            for older in self._kept()[:-1]:
                shutil.rmtree(older)

    def read(self, learner: Learner) -> Progress:
        kept = self._kept()
        if not kept:
            return Progress()
        try:
            learner.accelerator.load_state(str(kept[-1]))
            own: dict[str, Any] = torch.load(
                kept[-1] / self._own(learner.accelerator), weights_only=True, map_location="cpu"
            )
            learner.average.load_state_dict(own["average"])
            return Progress(own["step"], own["seconds"], own["window"])
        except _BROKEN as error:
            raise _unreadable(kept[-1], error) from error

    def _kept(self) -> list[Path]:
        return sorted(self.folder.glob("state-*"))

    @staticmethod
    def _own(accelerator: Accelerator) -> str:
        return f"process-{accelerator.process_index}.pt"


def sweep(folder: Path) -> None:
    """Remove what a kill left half written; nobody else may be writing there."""
    for leftover in folder.glob(".*.part"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _told(progress: Progress) -> dict[str, Any]:
    return {"step": progress.step, "seconds": progress.seconds, "window": progress.window}


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is broken or of another model ({error}); choose another folder, or delete it to start anew"
    )
