"""A worker's signs of life while it draws: they keep its jobs, report progress, and bring back what changed."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from sqlalchemy.exc import OperationalError

from limner.apps.service.job import Job
from limner.apps.service.leases import Leases, Signs
from limner.apps.service.settings import Times

SIGNS_PER_LEASE = 5
MOST_SECONDS_BETWEEN_SIGNS = 1.0
"""Progress is reported, and a cancelled job noticed, at least so often."""
EXIT_STUCK = 70
"""A worker that hangs inside a step ends itself with this code, so that another can be started."""

_log = logging.getLogger(__name__)


class StoppedError(Exception):
    """The worker is to stop and its time is over."""


class UnwantedError(Exception):
    """Every job of the batch was cancelled, deleted or given to somebody else."""


class TimedOutError(Exception):
    """The jobs took longer than they may."""


class Pulse:
    """Keeps jobs for the length of a ``with`` block.

    Args:
        stopping: gives the seconds since the worker was told to stop, None if it was not.
        give_up: called when a step hangs for a whole lease beyond the time a job may take.
    """

    def __init__(
        self,
        leases: Leases,
        jobs: Sequence[Job],
        times: Times,
        stopping: Callable[[], float | None],
        give_up: Callable[[], None] = lambda: os._exit(EXIT_STUCK),
    ) -> None:
        self._leases, self._times, self._stopping, self._give_up = leases, times, stopping, give_up
        self._held = [job.id for job in jobs]
        self._progress = (0, 0)
        self._signs = Signs(frozenset(self._held), frozenset())
        self._started = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def step(self, done: int, total: int) -> None:
        """Note how far the work is.

        Raises:
            StoppedError, UnwantedError, TimedOutError: it is not to go on.
        """
        self._progress = (done, total)
        if not self._signs.kept:
            raise UnwantedError
        if time.monotonic() - self._started > self._times.job:
            raise TimedOutError
        stopped_for = self._stopping()
        if stopped_for is not None and stopped_for > self._times.stop:
            raise StoppedError

    def _beat(self) -> None:
        pause = min(self._times.lease / SIGNS_PER_LEASE, MOST_SECONDS_BETWEEN_SIGNS)
        while not self._over.wait(pause):
            if time.monotonic() - self._started > self._times.job + self._times.lease:
                self._give_up()
                return
            try:
                self._signs = self._leases.sign(self._held, *self._progress)
            except OperationalError as error:  # the database is away for a moment; the lease outlasts a few of these
                _log.warning("no sign of life could be given: %s", error.orig)
