"""How far a job is and how long each of its stages took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Stages:
    """The seconds each stage of a job took; whoever shows them overrides :meth:`tell`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show and time one stage."""
        self._name = name
        self.tell(name, 0, None)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)

    def step(self, done: int, total: int) -> None:
        """Steps of the stage that are done, of how many."""
        self.tell(self._name, done, total)

    def tell(self, stage: str, done: int, total: int | None) -> None:
        """Called at the beginning of each stage, where nobody knows how many steps it has, and after each step."""


class Clock(Stages):
    """A progress bar on the standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, stage: str, done: int, total: int | None) -> None:
        if total is None:
            self._bar.reset(self._task, description=stage, total=None)
        else:
            self._bar.update(self._task, completed=done, total=total)
