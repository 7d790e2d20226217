"""API keys: shown once, kept as hashes, limited to scopes, revocable."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from limner.apps.service.database import Database
from limner.apps.service.errors import NotFoundError, UnacceptableError, UnauthorizedError
from limner.apps.service.tables import LOCAL, keys

_SHAPE = re.compile(r"limner_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key may be used for."""

    READ = "read"
    """Look at one's own jobs, pictures and people."""
    DRAW = "draw"
    """Hand in, cancel, try again and delete jobs."""
    PEOPLE = "people"
    """Upload photos, create and delete people."""
    METRICS = "metrics"
    """Read the numbers of the whole service."""


@dataclass(frozen=True)
class Key:
    """All that is kept of a key but its hash."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    revoked_at: float | None


class KeyStore:
    """The keys of a service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scopes: Collection[Scope]) -> tuple[Key, str]:
        """Make a key; its text is returned here and never again.

        Raises:
            UnacceptableError: no name or no scope.
        """
        if not name.strip() or not scopes:
            raise UnacceptableError("a key needs a name and at least one scope")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        told = " ".join(sorted(scopes))
        with self._database.writing() as connection:
            now = self._database.now(connection)
            row = {"id": key_id, "name": name, "digest": _digest(secret), "scopes": told, "created_at": now}
            connection.execute(sa.insert(keys), row)
        return Key(key_id, name, frozenset(scopes), now, None), f"limner_{key_id}_{secret}"

    def list(self) -> Sequence[Key]:
        """Every key that was ever made, the oldest first."""
        query = sa.select(keys).where(keys.c.id != LOCAL).order_by(keys.c.created_at)
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke(self, key_id: str) -> None:
        """Make a key worthless, at once and for good; what belongs to it stays.

        Raises:
            NotFoundError: there is no such key.
        """
        with self._database.writing() as connection:
            now = self._database.now(connection)
            mine = (keys.c.id == key_id) & (keys.c.id != LOCAL)
            given = sa.update(keys).where(mine).values(revoked_at=sa.func.coalesce(keys.c.revoked_at, now))
            if not connection.execute(given).rowcount:
                raise NotFoundError(f"there is no key {key_id!r}; `limner keys list` shows them")

    def check(self, text: str) -> Key:
        """The key that somebody presents.

        Raises:
            UnauthorizedError: it is malformed, unknown or revoked.
        """
        match = _SHAPE.fullmatch(text)
        if match is not None:
            with self._database.reading() as connection:
                row = connection.execute(sa.select(keys).where(keys.c.id == match[1])).first()
            # Compared even where nothing was found, so that the time taken does not tell which ids exist.
            right = hmac.compare_digest(_digest(match[2]), row.digest if row is not None else "")
            if row is not None and right and row.revoked_at is None:
                return _key(row)
        raise UnauthorizedError("the key is not known or was revoked; send a valid one as 'Authorization: Bearer KEY'")

    def any_made(self) -> bool:
        """Whether there ever was a key; from then on nobody gets in without one."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(keys.c.id).where(keys.c.id != LOCAL).limit(1)) is not None

    def any_valid(self) -> bool:
        """Whether somebody could get in."""
        return any(key.revoked_at is None for key in self.list())


def _digest(secret: str) -> str:
    # The secret has 256 random bits, so there is nothing to guess that a slow hash would protect.
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: sa.Row) -> Key:
    return Key(row.id, row.name, frozenset(map(Scope, row.scopes.split())), row.created_at, row.revoked_at)
