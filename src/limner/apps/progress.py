"""Progress bars of the commands that run long, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Told = Callable[[str, int, int, dict[str, float]], None]
"""What is being done, how far, of how much, with which numbers."""


@contextmanager
def people_bar() -> Iterator[Callable[[str, int, int], None]]:
    """One bar per group of people; the function takes the group, how many are done, of how many."""
    with Progress(console=Console(stderr=True)) as progress:
        tasks = {}

        def report(group: str, done: int, total: int) -> None:
            if group not in tasks:
                tasks[group] = progress.add_task(f"{group} people", total=total)
            progress.update(tasks[group], completed=done)

        yield report


@contextmanager
def training_bars() -> Iterator[Callable[[str], Told]]:
    """Bars of several runs: the function takes a run's name and gives what is called with its progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    numbers = TextColumn("{task.fields[numbers]}")
    with Progress(*columns, TimeRemainingColumn(), numbers, console=Console(stderr=True)) as progress:
        tasks = {}

        def named(run: str) -> Told:
            def report(what: str, done: int, total: int, terms: dict[str, float]) -> None:
                name = f"{run}: {what}" if run else what
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=total, numbers="")
                told = " ".join(f"{term} {value:.4f}" for term, value in terms.items())
                progress.update(tasks[name], completed=done, numbers=told)  # pyright: ignore[reportArgumentType]

            return report

        yield named
