"""Work that takes a while: one piece at a time, followed step by step, stopped when nobody wants it any more."""

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from limner.apps.clock import Stages
from limner.core.errors import InputError

WAITING = "waiting for another picture to be finished"
LOOK_EVERY = 0.1
"""Seconds between two looks at how far the work is."""

Result = TypeVar("Result")


class CancelledError(InputError):
    """The user does not want it any more."""


@dataclass(frozen=True)
class Told:
    """How far a piece of work is; ``total`` is None where nobody knows."""

    stage: str
    done: int = 0
    total: int | None = None


class _Followed(Stages):
    """Says how far it is to another thread, and ends the work when that thread has lost interest."""

    def __init__(self, cancelled: threading.Event) -> None:
        super().__init__()
        self.told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self._cancelled = cancelled

    def tell(self, stage: str, done: int, total: int | None) -> None:
        if self._cancelled.is_set():
            raise CancelledError("stopped; nothing was kept")
        self.told.put(Told(stage, done, total))


class Runs:
    """The work of everybody who has the page open; a model serves one at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="limner-page")
        self._running: dict[str, threading.Event] = {}

    def follow(self, session: str, work: Callable[[Stages], Result]) -> Generator[Told, None, Result]:
        """Do a piece of work for a browser window; yields how far it is, returns its result.

        Work of this window that is still going on is cancelled first, and so is this one when nobody reads on.

        Raises:
            CancelledError: :meth:`cancel` was called.
            LimnerError: whatever the work raises.
        """
        self.cancel(session)
        cancelled = self._running[session] = threading.Event()
        stages = _Followed(cancelled)
        future = self._thread.submit(_begin, work, stages)
        try:
            yield Told(WAITING)
            yield from _until_done(future, stages.told)
            return future.result()
        finally:
            cancelled.set()
            future.cancel()
            if self._running.get(session) is cancelled:
                del self._running[session]

    def cancel(self, session: str) -> None:
        """Let the work of a browser window end at its next step."""
        if (running := self._running.get(session)) is not None:
            running.set()

    def close(self) -> None:
        """End everything."""
        for running in list(self._running.values()):
            running.set()
        self._thread.shutdown(wait=True, cancel_futures=True)


def _begin(work: Callable[[Stages], Result], stages: _Followed) -> Result:
    stages.tell("beginning", 0, None)  # raises where it was cancelled while it waited
    return work(stages)


def _until_done(future: "Future[Result]", told: "queue.SimpleQueue[Told]") -> Generator[Told, None, None]:
    """The newest state whenever there is one; the ones before it are of no interest."""
    while not future.done():
        try:
            newest = told.get(timeout=LOOK_EVERY)
        except queue.Empty:
            continue
        while not told.empty():
            newest = told.get()
        yield newest
