"""Deleting what is due: old jobs with their pictures, unused uploads, and what killed processes left behind."""

import sqlalchemy as sa

from limner.apps.service.blobs import IDENTITIES, PICTURES, UPLOADS, Blobs
from limner.apps.service.database import Database
from limner.apps.service.endings import erase, remove_files
from limner.apps.service.job import ENDED
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import identities, jobs, pictures, uploads

_NAMES = {UPLOADS: uploads.c.id, IDENTITIES: identities.c.card, PICTURES: pictures.c.id}


def sweep(database: Database, blobs: Blobs, settings: ServiceSettings) -> int:
    """Delete everything that is due; returns how many jobs that were.

    Files are removed after the rows, so that no row ever names a file that is gone; what a killed sweep leaves is found
    by the next.
    """
    with database.writing() as connection:
        now = database.now(connection)
        oldest = now - settings.retention.jobs * 3600
        due = sa.select(jobs.c.id).where(jobs.c.state.in_(ENDED), jobs.c.finished_at < oldest)
        ids = list(connection.scalars(due))
        files = erase(connection, ids)
        ended = sa.select(jobs.c.id).where(jobs.c.state.in_(ENDED))
        unused = uploads.c.job_id.is_(None) & (uploads.c.expires_at < now)
        spent = list(connection.scalars(sa.select(uploads.c.id).where(unused | uploads.c.job_id.in_(ended))))
        connection.execute(sa.delete(uploads).where(uploads.c.id.in_(spent)))
    remove_files(blobs, files)
    blobs.remove(UPLOADS, spent)
    for kind, column in _NAMES.items():
        _remove_strays(database, blobs, kind, column, older_than=max(2 * settings.times.lease, settings.times.job))
    if ids or spent:
        database.scrub()
    return len(ids)


def _remove_strays(database: Database, blobs: Blobs, kind: str, names: sa.Column, *, older_than: float) -> None:
    """Remove files without a row; a file is older than the attempt that wrote it, or its row may be on its way."""
    with database.reading() as connection:
        known = set(connection.scalars(sa.select(names)))
    for path in list(blobs.strays(kind, known, older_than=older_than)):
        path.unlink(missing_ok=True)
