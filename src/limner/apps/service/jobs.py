"""Jobs as clients see them: handed in once, looked at, cancelled, tried again, deleted."""

import json
from collections.abc import Sequence
from dataclasses import fields

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from limner.apps.service import queueing
from limner.apps.service.blobs import UPLOADS, Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.endings import end, erase, remove_files
from limner.apps.service.errors import ConflictError, NotFoundError, UnacceptableError
from limner.apps.service.job import CANCELLED, ENDED, OPEN, Job, NewJob, Picture, State
from limner.apps.service.settings import Limits
from limner.apps.service.tables import identities, job_people, jobs, pictures, uploads


class JobStore:
    """The clients' side of the queue; every call names the owner and sees nobody else's jobs."""

    def __init__(self, database: Database, blobs: Blobs, limits: Limits) -> None:
        self._database, self._blobs, self._limits = database, blobs, limits

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Put a job in the queue; once this returns, it is kept whatever dies.

        Returns:
            The job, and whether it is new: the same idempotency key and request give the job of the first time.

        Raises:
            ConflictError: the idempotency key was used for another request.
            BusyError: the queue is full, for this key or for everybody.
            NotFoundError: a person does not exist.
            UnacceptableError: a person could not be learnt.
        """
        try:
            with self._database.writing() as connection:
                return self.add(connection, new)
        except IntegrityError:  # PostgreSQL: the same idempotency key, committed by another machine meanwhile
            with self._database.writing() as connection:
                return self.add(connection, new)

    def add(self, connection: sa.Connection, new: NewJob) -> tuple[Job, bool]:
        """:meth:`submit` inside a transaction."""
        if new.idempotency_key is not None:
            mine = (jobs.c.owner == new.owner) & (jobs.c.idempotency_key == new.idempotency_key)
            row = connection.execute(sa.select(jobs).where(mine)).first()
            if row is not None:
                return _same(row, new), False
        queueing.require_room(connection, new.owner, self._limits)
        _require_people(connection, new)
        queueing.take_turn(connection, new.owner)
        now = self._database.now(connection)
        job_id = new_id()
        values = {key: getattr(new, key) for key in ("owner", "kind", "model", "group", "rows", "cost")}
        connection.execute(
            sa.insert(jobs).values(
                **values,
                id=job_id,
                request=json.dumps(dict(new.request)),
                state=State.QUEUED,
                num_uploads=len(new.uploads),
                created_at=now,
                idempotency_key=new.idempotency_key,
                fingerprint=new.fingerprint,
            )
        )
        for person in dict.fromkeys(new.people):
            connection.execute(sa.insert(job_people).values(job_id=job_id, identity_id=person))
        _use_up(connection, job_id, new)
        return _job(connection, new.owner, job_id), True

    def get(self, owner: str, job_id: str) -> tuple[Job, list[Picture]]:
        """One job and its pictures.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
        """
        with self._database.reading() as connection:
            return _job(connection, owner, job_id), _pictures(connection, job_id)

    def list(
        self, owner: str, *, state: State | None = None, after: str | None = None, limit: int = 50
    ) -> Sequence[Job]:
        """Jobs from the newest to the oldest, those older than the job ``after``."""
        query = sa.select(jobs).where(jobs.c.owner == owner)
        if state is not None:
            query = query.where(jobs.c.state == state)
        with self._database.reading() as connection:
            if after is not None:
                last = _job(connection, owner, after)
                query = query.where(sa.tuple_(jobs.c.created_at, jobs.c.id) < sa.tuple_(last.created_at, last.id))
            rows = connection.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit))
            return [Job.of(row) for row in rows]

    def cancel(self, owner: str, job_id: str) -> Job:
        """Stop a job: at once if it waits, after the current step if it runs; an ended one stays as it is."""
        with self._database.writing() as connection:
            job = _job(connection, owner, job_id)
            if job.state == State.QUEUED:
                now = self._database.now(connection)
                end(connection, [job_id], State.CANCELLED, "cancelled", CANCELLED, now)
            elif job.state == State.RUNNING:
                connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))
            job = _job(connection, owner, job_id)
        self.drop_uploads(job_id)
        return job

    def drop_uploads(self, job_id: str) -> None:
        """Delete the pictures that a job used up, if it has ended."""
        ended = sa.select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.state.in_(ENDED))
        with self._database.writing() as connection:
            spent = uploads.c.job_id.in_(ended)
            names = list(connection.scalars(sa.select(uploads.c.id).where(spent)))
            connection.execute(sa.delete(uploads).where(spent))
        self._blobs.remove(UPLOADS, names)

    def retry(self, owner: str, job_id: str) -> Job:
        """Put a failed or cancelled job back into the queue.

        Raises:
            ConflictError: it is in another state, or what it needs is gone.
            BusyError: the queue is full.
        """
        with self._database.writing() as connection:
            job = _job(connection, owner, job_id)
            if job.state not in (State.FAILED, State.CANCELLED):
                raise ConflictError(f"the job is {job.state}; only a failed or cancelled one can be tried again")
            if job.num_uploads:
                told = "the uploads of this job were deleted when it ended; hand it in again with new ones"
                raise ConflictError(told)
            theirs = sa.select(job_people.c.identity_id).where(job_people.c.job_id == job_id)
            failed = sa.select(identities.c.id).where(identities.c.id.in_(theirs), identities.c.state == "failed")
            if connection.scalar(failed.limit(1)) is not None:
                raise ConflictError("a person of this job could not be learnt; create the identity again")
            queueing.require_room(connection, owner, self._limits)
            queueing.take_turn(connection, owner)
            fresh = {"problem": None, "problem_code": None, "finished_at": None, "expires_at": None, "started_at": None}
            connection.execute(
                sa.update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=State.QUEUED, attempt=0, cancel_requested=False, steps_done=0, **fresh)
            )
            return _job(connection, owner, job_id)

    def delete(self, owner: str, job_id: str) -> None:
        """Remove a job with its pictures; one that runs loses its worker's interest at the next step.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
            ConflictError: an identity is being made by it.
        """
        with self._database.writing() as connection:
            job = _job(connection, owner, job_id)
            being_made = sa.select(identities.c.id).where(identities.c.job_id == job_id)
            if job.state in OPEN and connection.scalar(being_made) is not None:
                raise ConflictError("an identity is being made by this job; delete the identity")
            files = erase(connection, [job_id])
        remove_files(self._blobs, files)
        self._database.scrub()


def _job(connection: sa.Connection, owner: str, job_id: str) -> Job:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id, jobs.c.owner == owner)).first()
    if row is None:
        raise NotFoundError("there is no such job, or it is not yours")
    return Job.of(row)


def _pictures(connection: sa.Connection, job_id: str) -> list[Picture]:
    columns = [pictures.c[field.name] for field in fields(Picture)]
    query = sa.select(*columns).where(pictures.c.job_id == job_id).order_by(pictures.c.position)
    return [Picture(*row) for row in connection.execute(query)]


def _same(row: sa.Row, new: NewJob) -> Job:
    if row._mapping["fingerprint"] != new.fingerprint:
        raise ConflictError("this Idempotency-Key was used for another request; take a new one for each request")
    return Job.of(row)


def _require_people(connection: sa.Connection, new: NewJob) -> None:
    for person in dict.fromkeys(new.people):
        mine = (identities.c.id == person) & (identities.c.owner == new.owner)
        row = connection.execute(sa.select(identities.c.state, identities.c.problem).where(mine)).first()
        if row is None:
            raise NotFoundError(f"there is no such identity as {person}, or it is not yours")
        if row.state == "failed":
            told = f"the identity {person} could not be made ({row.problem}); create it again from other photos"
            raise UnacceptableError(told)


def _use_up(connection: sa.Connection, job_id: str, new: NewJob) -> None:
    for upload in dict.fromkeys(new.uploads):
        mine = (uploads.c.id == upload) & (uploads.c.owner == new.owner) & uploads.c.job_id.is_(None)
        if not connection.execute(sa.update(uploads).where(mine).values(job_id=job_id)).rowcount:
            raise NotFoundError(f"there is no upload {upload}; if it expired or was used already, upload it again")
