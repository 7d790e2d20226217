"""Doing what a tab does, without a browser."""

from collections.abc import Generator
from typing import TypeVar

from limner.apps.page.runs import Told

Result = TypeVar("Result")


def finished(work: Generator[Told, None, Result]) -> tuple[list[Told], Result]:
    """Everything that was told, and the result."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            return told, end.value
