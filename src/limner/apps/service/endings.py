"""How jobs end without a result, and how they are taken out of the tables and the folder."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from limner.apps.service.blobs import PICTURES, UPLOADS, Blobs
from limner.apps.service.database import count
from limner.apps.service.job import OPEN, State
from limner.apps.service.tables import identities, job_people, jobs, pictures, uploads


def end(connection: sa.Connection, ids: Collection[str], state: State, code: str, problem: str, now: float) -> None:
    """Let jobs end without a result; people they were to learn fail with them, and so do jobs that wait for those."""
    assert state in (State.FAILED, State.CANCELLED)
    values = {"state": state, "problem_code": code, "problem": problem, "finished_at": now, "worker": None}
    still_open = jobs.c.id.in_(ids) & jobs.c.state.in_(OPEN)
    ended = connection.execute(sa.update(jobs).where(still_open).values(**values)).rowcount
    count(connection, f"jobs_{state.value}", ended)
    lost = sa.select(identities.c.id).where(identities.c.job_id.in_(ids), identities.c.state == "pending")
    lost_ids = list(connection.scalars(lost))
    if not lost_ids:
        return
    connection.execute(
        sa.update(identities).where(identities.c.id.in_(lost_ids)).values(state="failed", problem=problem)
    )
    theirs = sa.select(job_people.c.job_id).where(job_people.c.identity_id.in_(lost_ids))
    waiting = sa.select(jobs.c.id).where(jobs.c.id.in_(theirs), jobs.c.state == State.QUEUED)
    told = f"a person of this job could not be learnt: {problem}"
    end(connection, list(connection.scalars(waiting)), State.FAILED, "identity_failed", told, now)


def erase(connection: sa.Connection, ids: Collection[str]) -> dict[str, list[str]]:
    """Take jobs out of the tables; returns the names of the files to remove once that is committed, by their kind."""
    # A worker that is just recording its result has the row; wait for it, then delete what it recorded too.
    connection.execute(sa.select(jobs.c.id).where(jobs.c.id.in_(ids)).with_for_update())
    gone = list(connection.scalars(sa.select(pictures.c.id).where(pictures.c.job_id.in_(ids))))
    used = list(connection.scalars(sa.select(uploads.c.id).where(uploads.c.job_id.in_(ids))))
    connection.execute(sa.delete(pictures).where(pictures.c.job_id.in_(ids)))
    connection.execute(sa.delete(uploads).where(uploads.c.job_id.in_(ids)))
    connection.execute(sa.delete(job_people).where(job_people.c.job_id.in_(ids)))
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))
    return {PICTURES: gone, UPLOADS: used}


def remove_files(blobs: Blobs, files: Mapping[str, Collection[str]]) -> None:
    """Delete what :func:`erase` named."""
    for kind, names in files.items():
        blobs.remove(kind, names)
