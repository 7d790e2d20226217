"""How a training run tells what it is doing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from limner.systems.contract import Trainable
from limner.training.loop import Run
from limner.training.settings import LoopSettings

Report = Callable[[str, int, int, dict[str, float]], None]
"""What is being done, how far, of how much, with which numbers."""


def run_through(name: str, folder: Path, trainable: Trainable, settings: LoopSettings, report: Report) -> Run:
    """Run in ``folder/name`` to the end, or go on with it; afterwards the module holds the averaged weights."""
    run = Run(folder / name, trainable, settings)
    run.train(progress=partial(_tell, report, name, settings.steps))
    run.averaged()
    return run


def _tell(report: Report, name: str, total: int, step: int, numbers: dict[str, float]) -> None:
    report(name, step, total, numbers)
