"""Doing the same work on many things: in this process or in several. Answers come in the order of the jobs.

Every process computes with one thread, so that the numbers do not depend on how many processes there are.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from limner.core.errors import LimnerError

WorkbenchMaker = Callable[[], Any]
"""Makes the tools of one process there, since networks cannot be sent. Is sent itself, so it is a function of a module,
a class, or a ``partial`` of one."""
_WAITING_PER_PROCESS = 4
"""Jobs handed out ahead: enough that nobody waits, few enough that their answers fit into memory."""


class Pool(Protocol):
    """Does to every job what the method ``step`` of a workbench does."""

    def map(self, step: str, jobs: Iterable[Any]) -> Iterator[Any]: ...


@contextmanager
def open_pool(make: WorkbenchMaker, workers: int) -> Iterator[Pool]:
    """``workers`` processes, each with a workbench of its own; with one worker the work is done in this process.

    Raises:
        LimnerError: a process was killed from outside.
    """
    if workers == 1:
        with _one_thread():
            yield _Here(make())
        return
    # Spawned, because a fork in a process with threads, as torch and OpenCV start them, may never wake up.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(make,)) as executor:
        try:
            yield _Processes(executor, workers * _WAITING_PER_PROCESS)
        except BrokenProcessPool as error:
            raise LimnerError(
                "a process that works on pictures ended (out of memory?); start the same command again, with fewer "
                "--workers; what is done is kept"
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


class _Here:
    def __init__(self, workbench: Any) -> None:
        self._workbench = workbench

    def map(self, step: str, jobs: Iterable[Any]) -> Iterator[Any]:
        return map(getattr(self._workbench, step), jobs)


class _Processes:
    def __init__(self, executor: ProcessPoolExecutor, ahead: int) -> None:
        self._executor, self._ahead = executor, ahead

    def map(self, step: str, jobs: Iterable[Any]) -> Iterator[Any]:
        waiting: deque[Future[Any]] = deque()
        for job in jobs:
            waiting.append(self._executor.submit(_work, step, job))
            if len(waiting) >= self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_workbench: Any = None
"""Of a process of the pool."""


def _start(make: WorkbenchMaker) -> None:
    global _workbench
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()
    _workbench = make()


def _work(step: str, job: Any) -> Any:
    return getattr(_workbench, step)(job)


def _end_with_parent() -> None:
    """A killed parent cannot send its processes home; they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def use_one_thread() -> None:
    """For a process that belongs to a pool."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The same for a while, in a process that also does other things."""
    import cv2
    import torch

    before = cv2.getNumThreads(), torch.get_num_threads()
    use_one_thread()
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])
