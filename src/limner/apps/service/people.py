"""The people a service knows: identity cards by owner, made by jobs, deleted with everything that came of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import sqlalchemy as sa

from limner.apps.service.blobs import IDENTITIES, Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.endings import erase, remove_files
from limner.apps.service.errors import BusyError, NotFoundError
from limner.apps.service.job import NewJob
from limner.apps.service.jobs import JobStore
from limner.apps.service.settings import Limits
from limner.apps.service.tables import identities, job_people, jobs

KIND = "identity"
"""Name of the kind of jobs that make identity cards."""


@dataclass(frozen=True)
class Wish:
    """Who is to be learnt, from which uploads, and what is to stand on the card."""

    name: str
    photos: tuple[str, ...]
    face_index: tuple[int, ...] | None
    model: str
    consent: str
    origin: str
    licence: str


@dataclass(frozen=True)
class Person:
    """A row of the table of identities."""

    id: str
    owner: str
    name: str
    consent: str
    origin: str
    licence: str
    model: str
    state: str
    problem: str | None
    card: str | None
    num_photos: int
    quality: float | None
    created_at: float
    job_id: str

    @classmethod
    def of(cls, row: sa.Row) -> Self:
        """Read a row of the whole table."""
        return cls(**{field.name: row._mapping[field.name] for field in fields(cls)})


class PeopleStore:
    """Identities by owner; every call sees one owner's only."""

    def __init__(self, database: Database, blobs: Blobs, store: JobStore, limits: Limits) -> None:
        self._database, self._blobs, self._store, self._limits = database, blobs, store, limits

    def create(self, owner: str, wish: Wish) -> Person:
        """Put the making of an identity into the queue; jobs may name it at once and wait for it.

        Raises:
            NotFoundError: an upload does not exist, or was used already.
            BusyError: too many people are kept, or too many jobs wait.
        """
        identity_id = new_id()
        card = {"consent": wish.consent, "origin": wish.origin, "licence": wish.licence}
        request = {"identity": identity_id, "photos": wish.photos, "face_index": wish.face_index, "card": card}
        job = NewJob(
            owner=owner,
            kind=KIND,
            model=wish.model,
            request=request,
            group=f"{KIND}/{identity_id}"[:64],
            rows=1,
            cost=1.0,
            uploads=wish.photos,
        )
        with self._database.writing() as connection:
            self._require_room(connection, owner)
            made, _ = self._store.add(connection, job)
            words = {key: getattr(wish, key) for key in ("name", "consent", "origin", "licence", "model")}
            connection.execute(
                sa.insert(identities).values(
                    **words,
                    id=identity_id,
                    owner=owner,
                    state="pending",
                    num_photos=len(wish.photos),
                    created_at=self._database.now(connection),
                    job_id=made.id,
                )
            )
            return _person(connection, owner, identity_id)

    def get(self, owner: str, identity_id: str) -> Person:
        """One person.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
        """
        with self._database.reading() as connection:
            return _person(connection, owner, identity_id)

    def list(self, owner: str, *, after: str | None = None, limit: int = 50) -> Sequence[Person]:
        """People from the newest to the oldest, those older than the person ``after``."""
        query = sa.select(identities).where(identities.c.owner == owner)
        with self._database.reading() as connection:
            if after is not None:
                last = _person(connection, owner, after)
                older = sa.tuple_(identities.c.created_at, identities.c.id) < sa.tuple_(last.created_at, last.id)
                query = query.where(older)
            newest_first = query.order_by(identities.c.created_at.desc(), identities.c.id.desc())
            return [Person.of(row) for row in connection.execute(newest_first.limit(limit))]

    def delete(self, owner: str, identity_id: str) -> None:
        """Remove the card, the photos if they are still there, and every job and picture in which this person is.

        A job of theirs that is being drawn loses its row here, so its result is thrown away.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
        """
        with self._database.writing() as connection:
            person = _person(connection, owner, identity_id)
            cards = [] if person.card is None else [person.card]
            drawn = sa.select(job_people.c.job_id).where(job_people.c.identity_id == identity_id)
            theirs = sa.select(jobs.c.id).where(sa.or_(jobs.c.id.in_(drawn), jobs.c.id == person.job_id))
            files = erase(connection, list(connection.scalars(theirs)))
            connection.execute(sa.delete(identities).where(identities.c.id == identity_id))
        remove_files(self._blobs, {**files, IDENTITIES: cards})
        self._database.scrub()

    def _require_room(self, connection: sa.Connection, owner: str) -> None:
        mine = sa.select(sa.func.count()).select_from(identities).where(identities.c.owner == owner)
        number = connection.scalar(mine)
        if (number or 0) >= self._limits.identities_per_key:
            raise BusyError(f"you keep {number} people, and no more are allowed; delete some", retry_after=60)


def _person(connection: sa.Connection, owner: str, identity_id: str) -> Person:
    mine = (identities.c.id == identity_id) & (identities.c.owner == owner)
    row = connection.execute(sa.select(identities).where(mine)).first()
    if row is None:
        raise NotFoundError("there is no such identity, or it is not yours")
    return Person.of(row)
