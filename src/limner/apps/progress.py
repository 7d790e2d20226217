"""Progress bars of the commands that run long, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from limner.apps.training_progress import Report


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
def training_bars(*, hidden: bool = False) -> Iterator["Callable[[str], Report]"]:
    """Bars of several runs: the function takes a run's name and gives what is called with its progress."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    numbers = TextColumn("{task.fields[numbers]}")
    bars = Progress(*columns, TimeRemainingColumn(), numbers, console=Console(stderr=True), disable=hidden)
    with bars as progress:
        tasks = {}

        def named(run: str) -> "Report":
            def report(what: str, done: int, total: int, terms: dict[str, float]) -> None:
                name = f"{run}: {what}" if run else what
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=total, numbers="")
                told = " ".join(f"{term} {value:.4f}" for term, value in terms.items())
                progress.update(tasks[name], completed=done, numbers=told)  # pyright: ignore[reportArgumentType]

            return report

        yield named
