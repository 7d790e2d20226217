"""A worker: takes jobs that fit together, does them in one go, and gives every job exactly one end."""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import OperationalError

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, job_kinds
from limner.apps.service.jobs import JobStore
from limner.apps.service.leases import Leases
from limner.apps.service.pulse import Pulse, StoppedError, TimedOutError, UnwantedError
from limner.apps.service.retention import sweep
from limner.apps.service.settings import ServiceSettings
from limner.core.errors import LimnerError

SIGN_WHEN_IDLE = 5.0
"""Seconds between the signs of life of a worker that has nothing to do."""
DATABASE_TRIES = 5
INTERNAL = "something went wrong inside the service; it was logged, and trying again later may help"

_log = logging.getLogger(__name__)
_Given = TypeVar("_Given")


class Worker:
    """One worker; runs in one thread, with a second one for its signs of life."""

    def __init__(self, database: Database, blobs: Blobs, bench: Bench, settings: ServiceSettings) -> None:
        self._database, self._blobs, self._bench, self._settings = database, blobs, bench, settings
        self._leases = Leases(database, settings, new_id())
        self._store = JobStore(database, blobs, settings.limits)
        self._kinds = job_kinds()
        # Not an event: `stop` is called by signal handlers, which may interrupt whoever holds the event's lock.
        self._stopped_at: float | None = None
        self._swept_at = self._signed_at = 0.0

    def stop(self) -> None:
        """Take nothing new, go on with what was begun for a while, then return from :meth:`run`."""
        self._stopped_at = self._stopped_at or time.monotonic()

    def run(self) -> None:
        """Work until :meth:`stop` is called."""
        self._leases.enter(socket.gethostname(), os.getpid())
        try:
            while self._stopped_at is None:
                try:
                    self._turn()
                except OperationalError as error:
                    _log.warning("the database does not answer: %s", error.orig)
                    time.sleep(self._settings.times.poll)
        finally:
            self._insist(self._leases.leave)

    def _turn(self) -> None:
        """Do what is to be done now, or wait for a moment."""
        self._keep_house()
        patience = self._leases.patience()
        if patience is None:
            self._rest(self._settings.times.poll)
        elif patience > 0:
            time.sleep(min(patience, self._settings.times.poll))
        else:
            jobs = self._leases.claim(tuple(self._kinds))
            if jobs:
                self._work(jobs)
            else:
                self._rest(self._settings.times.poll)

    def _rest(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self._signed_at > SIGN_WHEN_IDLE:
            self._leases.sign(())
            self._signed_at = now
        time.sleep(seconds)

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now - self._swept_at > self._settings.retention.sweep:
            sweep(self._database, self._blobs, self._settings)
            self._swept_at = now

    def _work(self, jobs: Sequence[Job]) -> None:
        """Do jobs of one group; where they go wrong together, each is tried alone."""
        started = time.monotonic()
        kind = self._kinds[jobs[0].kind]
        try:
            with Pulse(self._leases, jobs, self._settings.times, self._stopped_for) as pulse:
                outcomes = kind.work(jobs, self._bench, pulse.step)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    self._end(job, outcome)
        except StoppedError:
            self._insist(lambda: self._leases.release(jobs, tried=False))
        except UnwantedError:
            self._insist(lambda: self._leases.release(jobs, tried=True))
        except TimedOutError:
            told = f"it took longer than {self._settings.times.job:g} seconds; ask for fewer, smaller pictures or steps"
            self._fail(jobs, "timeout", told)
        except OperationalError:
            raise
        except Exception as error:
            self._go_wrong(jobs, error)
        self._insist(lambda: self._leases.note_batch(sum(job.rows for job in jobs), time.monotonic() - started))
        for job in jobs:
            if job.num_uploads:
                self._insist(lambda job=job: self._store.drop_uploads(job.id))

    def _end(self, job: Job, outcome: Outcome) -> None:
        if outcome.problem is not None:
            self._fail([job], "refused", str(outcome.problem))
        elif not self._insist(lambda: self._leases.finish(job, outcome.record)):
            outcome.discard()

    def _go_wrong(self, jobs: Sequence[Job], error: Exception) -> None:
        if len(jobs) > 1:  # the queue gives jobs that were tried before one by one
            _log.warning("a batch went wrong, and its %d jobs are tried alone: %s", len(jobs), error)
            self._insist(lambda: self._leases.release(jobs, tried=True))
        elif isinstance(error, LimnerError):
            self._fail(jobs, "refused", str(error))
        elif jobs[0].attempt < self._settings.max_attempts:
            _log.error("job %s went wrong and is tried again", jobs[0].id, exc_info=error)
            self._insist(lambda: self._leases.release(jobs, tried=True))
        else:
            _log.error("job %s went wrong for the last time", jobs[0].id, exc_info=error)
            self._fail(jobs, "internal", INTERNAL)

    def _fail(self, jobs: Sequence[Job], code: str, problem: str) -> None:
        for job in jobs:
            self._insist(lambda job=job: self._leases.fail(job, code, problem))

    def _stopped_for(self) -> float | None:
        return None if self._stopped_at is None else time.monotonic() - self._stopped_at

    def _insist(self, action: Callable[[], _Given]) -> _Given:
        """Do something with the database, again if that is away or two workers are in each other's way."""
        for number in range(1, DATABASE_TRIES):
            try:
                return action()
            except OperationalError as error:
                _log.warning("the database did not answer, try %d: %s", number, error.orig)
                time.sleep(self._settings.times.poll * number)
        return action()
