"""Everything that the routes of one service share, and who is asking."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from limner.apps.service.blobs import Blobs
from limner.apps.service.database import Database
from limner.apps.service.errors import BusyError, ForbiddenError, UnauthorizedError
from limner.apps.service.jobs import JobStore
from limner.apps.service.keys import KeyStore, Scope
from limner.apps.service.people import PeopleStore
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import LOCAL
from limner.apps.service.uploads import UploadStore


@dataclass(frozen=True)
class Desk:
    """The stores behind the API.

    Attributes:
        needs_key: False where a service on this machine alone may be used without a key, until one is made.
        stopping: whether the server is about to stop, so that open streams should end.
    """

    settings: ServiceSettings
    database: Database
    blobs: Blobs
    jobs: JobStore
    people: PeopleStore
    uploads: UploadStore
    keys: KeyStore
    needs_key: bool
    stopping: Callable[[], bool] = lambda: False
    streams: threading.BoundedSemaphore = field(default_factory=threading.BoundedSemaphore)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """A place among the open streams.

        Raises:
            BusyError: all are taken.
        """
        if not self.streams.acquire(blocking=False):
            raise BusyError(
                f"{self.settings.limits.streams} event streams are open, and no more are allowed; ask for the job "
                "itself from time to time",
                retry_after=10,
            )
        try:
            yield
        finally:
            self.streams.release()


def open_desk(settings: ServiceSettings, *, needs_key: bool = True) -> Desk:
    """Open the database and everything on top of it.

    Raises:
        ConfigError: the database cannot be used.
    """
    database, blobs = Database(settings.database_url), Blobs(settings.data)
    store = JobStore(database, blobs, settings.limits)
    return Desk(
        settings=settings,
        database=database,
        blobs=blobs,
        jobs=store,
        people=PeopleStore(database, blobs, store, settings.limits),
        uploads=UploadStore(database, blobs, settings),
        keys=KeyStore(database),
        needs_key=needs_key,
        streams=threading.BoundedSemaphore(settings.limits.streams),
    )


def _desk(request: Request) -> Desk:
    return request.app.state.desk


TheDesk = Annotated[Desk, Depends(_desk)]
_BEARER = HTTPBearer(auto_error=False, scheme_name="key", description="A key made by `limner keys create`.")


def _owner(
    desk: TheDesk, scopes: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> str:
    if given is None:
        if desk.needs_key or desk.keys.any_made():
            raise UnauthorizedError("a key is needed; send it as 'Authorization: Bearer KEY'")
        return LOCAL
    key = desk.keys.check(given.credentials)
    missing = [scope for scope in scopes.scopes if scope not in key.scopes]
    if missing:
        raise ForbiddenError(f"this key may not {', '.join(missing)}; it may {', '.join(sorted(key.scopes))}")
    return key.id


Reader = Annotated[str, Security(_owner, scopes=[Scope.READ.value])]
Drawer = Annotated[str, Security(_owner, scopes=[Scope.DRAW.value])]
Registrar = Annotated[str, Security(_owner, scopes=[Scope.PEOPLE.value])]
Measurer = Annotated[str, Security(_owner, scopes=[Scope.METRICS.value])]
"""The owner on whose behalf a request is met, if the key allows what the name says."""
