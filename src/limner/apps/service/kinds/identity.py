"""Learning a person: uploaded photos in, an identity card out, the photos gone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from limner.apps.service.bench import Bench
from limner.apps.service.blobs import IDENTITIES, UPLOADS, new_id
from limner.apps.service.job import Job
from limner.apps.service.job_kinds import Outcome, Plan, Step
from limner.apps.service.people import KIND as NAME
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import identities
from limner.core.consent import Consent
from limner.core.errors import FaceError, ImageError, RefusedError


class IdentityKind:
    """See :class:`limner.apps.service.job_kinds.JobKind`; handed in by ``POST /v1/identities``."""

    name = NAME
    request = None

    def plan(self, request: Any, settings: ServiceSettings) -> Plan:
        raise NotImplementedError("people are handed in by limner.apps.service.people")

    def work(self, jobs: Sequence[Job], bench: Bench, step: Step) -> list[Outcome]:
        return [_learn(job, bench) for job in jobs]


KIND = IdentityKind()


def _learn(job: Job, bench: Bench) -> Outcome:
    identity_id, photos = job.request["identity"], job.request["photos"]
    # As pictures, not as files: messages then say "photo 1", not where it lies.
    files = [bench.blobs.path(UPLOADS, photo).read_bytes() for photo in photos]
    try:
        person = bench.studio(job.model).identity(files, face_index=job.request["face_index"])
    except (FaceError, ImageError, RefusedError) as error:
        return Outcome(problem=error)
    # A name of its own for every attempt: one that comes too late must not touch the card of the one that counted.
    card = new_id()
    words = job.request["card"]
    agreed = Consent(purpose=words["consent"], given=date.today()) if words["consent"] else None
    person = replace(person, consent=agreed, origin=words["origin"], licence=words["licence"])
    person.save(bench.blobs.path(IDENTITIES, card))

    def record(connection: sa.Connection) -> None:
        ready = {"state": "ready", "card": card, "quality": float(person.quality.mean())}
        connection.execute(sa.update(identities).where(identities.c.id == identity_id).values(**ready))

    return Outcome(record, discard=lambda: bench.blobs.remove(IDENTITIES, [card]))
