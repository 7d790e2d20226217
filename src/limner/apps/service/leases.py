"""Jobs as workers see them: taken for a while, kept by giving signs of life, and ended once, by whoever holds them.

A worker that dies gives no more signs; its jobs go back into the queue when the lease runs out. One that was only slow
finds that its jobs are no longer its own, and its result is thrown away: every job has one result, never two.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from limner.apps.service import queueing
from limner.apps.service.database import Database, count
from limner.apps.service.endings import end
from limner.apps.service.job import CANCELLED, Job, State
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import jobs, keys, workers

LOST = "the machine that drew this was lost {times} times; try again, with smaller pictures if it happens again"
PRESENT = 3.0
"""A worker counts as there while its last sign is younger than so many leases."""


@dataclass(frozen=True)
class Signs:
    """What a sign of life brings back.

    Attributes:
        kept: jobs that are still this worker's and wanted.
        cancelled: jobs that are still this worker's and no longer wanted.
    """

    kept: frozenset[str]
    cancelled: frozenset[str]


class Leases:
    """The workers' side of the queue."""

    def __init__(self, database: Database, settings: ServiceSettings, worker: str) -> None:
        self._database, self._settings, self.worker = database, settings, worker

    def enter(self, host: str, pid: int) -> None:
        """Say that this worker is there."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            row = {"id": self.worker, "host": host, "pid": pid, "started_at": now, "seen_at": now}
            connection.execute(sa.insert(workers), row)

    def leave(self) -> None:
        """Say that it is gone."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(workers).where(workers.c.id == self.worker))

    def patience(self) -> float | None:
        """Seconds until the waiting jobs should be taken, 0 for now; None if nothing waits.

        Jobs are left for others to join until the first has waited for the latency budget or a forward pass is full.
        """
        with self._database.reading() as connection:
            rows, oldest = queueing.waiting(connection)
            lapsed = sa.select(jobs.c.id).where(jobs.c.state == State.RUNNING)
            now = self._database.now(connection)
            if connection.scalar(lapsed.where(jobs.c.lease_until < now).limit(1)) is not None:
                return 0.0
        if oldest is None:
            return None
        if rows >= self._settings.batch_pictures:
            return 0.0
        return max(oldest + self._settings.times.latency_budget - now, 0.0)

    def claim(self, kinds: tuple[str, ...]) -> list[Job]:
        """Take the next jobs that can share a forward pass; none if nothing waits."""
        settings = self._settings
        with self._database.writing() as connection:
            now = self._database.now(connection)
            self._recover(connection, now)
            chosen = queueing.next_group(
                connection, kinds=kinds, models=tuple(settings.models), room=settings.batch_pictures
            )
            # The state is asked for again: on PostgreSQL another worker may have taken some meanwhile.
            taken = connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(chosen), jobs.c.state == State.QUEUED)
                .values(
                    state=State.RUNNING,
                    worker=self.worker,
                    lease_until=now + settings.times.lease,
                    started_at=now,
                    attempt=jobs.c.attempt + 1,
                    steps_done=0,
                    steps_total=0,
                )
                .returning(jobs)
            ).all()
            for row in taken:
                book = keys.c.served + row._mapping["cost"]
                connection.execute(sa.update(keys).where(keys.c.id == row.owner).values(served=book))
            order = {job_id: place for place, job_id in enumerate(chosen)}
            return sorted((Job.of(row) for row in taken), key=lambda job: order[job.id])

    def sign(self, held: Collection[str], done: int = 0, total: int = 0) -> Signs:
        """Give a sign of life and keep these jobs for another lease."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            connection.execute(sa.update(workers).where(workers.c.id == self.worker).values(seen_at=now))
            if not held:
                return Signs(frozenset(), frozenset())
            rows = connection.execute(
                sa.update(jobs)
                .where(jobs.c.id.in_(held), jobs.c.worker == self.worker, jobs.c.state == State.RUNNING)
                .values(lease_until=now + self._settings.times.lease, steps_done=done, steps_total=total)
                .returning(jobs.c.id, jobs.c.cancel_requested)
            ).all()
        cancelled = frozenset(row.id for row in rows if row.cancel_requested)
        return Signs(frozenset(row.id for row in rows) - cancelled, cancelled)

    def finish(self, job: Job, record: Callable[[sa.Connection], None]) -> bool:
        """End a job with its result; ``record`` writes it in the same transaction.

        Returns:
            False if the job is no longer this worker's, or was cancelled; then nothing is recorded.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            if self._hold(connection, job, state=State.DONE):  # the commit came through, only its answer did not
                return True
            if self._hold(connection, job, cancelled=True):
                end(connection, [job.id], State.CANCELLED, "cancelled", CANCELLED, now)
                return False
            if not self._hold(connection, job):
                return False
            values = {"state": State.DONE, "finished_at": now, "steps_done": jobs.c.steps_total}
            connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**values))
            count(connection, "jobs_done")
            record(connection)
            return True

    def fail(self, job: Job, code: str, problem: str) -> None:
        """End a job without a result, if it is still this worker's."""
        with self._database.writing() as connection:
            if self._hold(connection, job) or self._hold(connection, job, cancelled=True):
                end(connection, [job.id], State.FAILED, code, problem, self._database.now(connection))

    def release(self, held: Sequence[Job], *, tried: bool) -> None:
        """Put jobs back into the queue; ``tried`` counts the attempt. Cancelled ones end."""
        with self._database.writing() as connection:
            now = self._database.now(connection)
            for job in held:
                if self._hold(connection, job, cancelled=True):
                    end(connection, [job.id], State.CANCELLED, "cancelled", CANCELLED, now)
                elif self._hold(connection, job):
                    attempt = job.attempt if tried else job.attempt - 1
                    values = {"state": State.QUEUED, "worker": None, "started_at": None, "attempt": attempt}
                    connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**values))

    def note_batch(self, rows: int, seconds: float) -> None:
        """Count one forward pass."""
        with self._database.writing() as connection:
            count(connection, "batches")
            count(connection, "batch_rows", rows)
            count(connection, "busy_seconds", seconds)

    def _hold(
        self, connection: sa.Connection, job: Job, *, state: State = State.RUNNING, cancelled: bool = False
    ) -> bool:
        """Whether a job is this worker's in this attempt; locks its row where the database has row locks."""
        query = sa.select(jobs.c.id).where(
            jobs.c.id == job.id,
            jobs.c.worker == self.worker,
            jobs.c.attempt == job.attempt,
            jobs.c.state == state,
            jobs.c.cancel_requested.is_(cancelled),
        )
        return connection.scalar(query.with_for_update()) is not None

    def _recover(self, connection: sa.Connection, now: float) -> None:
        """Take jobs away from workers that gave no sign."""
        lapsed = sa.and_(jobs.c.state == State.RUNNING, jobs.c.lease_until < now)
        most = self._settings.max_attempts
        unwanted = list(connection.scalars(sa.select(jobs.c.id).where(lapsed, jobs.c.cancel_requested)))
        if unwanted:
            end(connection, unwanted, State.CANCELLED, "cancelled", CANCELLED, now)
        hopeless = list(connection.scalars(sa.select(jobs.c.id).where(lapsed, jobs.c.attempt >= most)))
        if hopeless:
            end(connection, hopeless, State.FAILED, "worker_lost", LOST.format(times=most), now)
        connection.execute(sa.update(jobs).where(lapsed).values(state=State.QUEUED, worker=None, started_at=None))
        silent = workers.c.seen_at < now - PRESENT * self._settings.times.lease
        connection.execute(sa.delete(workers).where(silent))
