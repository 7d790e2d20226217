"""The page under ``/ui`` of the service: off unless the settings ask for it, never at a public address, behind keys.

It draws in the server's own process and stores nothing; jobs that must not be lost are handed in over HTTP.
"""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from limner.apps.model_choice import ModelChoice
from limner.apps.service.api.desk import Desk
from limner.apps.service.api.guards import LOOPBACK_NAMES
from limner.apps.service.api.problems import problem
from limner.apps.service.errors import ForbiddenError, ServiceError, UnauthorizedError
from limner.apps.service.keys import Scope as Right
from limner.apps.service.settings import ServiceSettings
from limner.core.errors import ConfigError

PREFIX = "/ui"
PEOPLE = "page-people"
NEEDED = (Right.READ, Right.DRAW, Right.PEOPLE)
"""What a key must allow, since the page does all of it."""
REALM = 'Basic realm="Limner; the password is an API key", charset="UTF-8"'


@contextmanager
def with_page(app: ASGIApp, desk: Desk, *, public: bool) -> Iterator[ASGIApp]:
    """The service with the page beside it, if the settings ask for one.

    Raises:
        ConfigError: the address is public.
        MissingExtraError: the packages of the page are not installed.
        LimnerError: the model cannot be opened.
    """
    if not desk.settings.page:
        yield app
        return
    if public:
        raise ConfigError("the page is for this machine alone; take page out of the settings, or bind to 127.0.0.1")
    from limner.apps.page.extra import require_page_packages

    require_page_packages()
    from limner.apps.page.application import opened_page
    from limner.apps.page.settings import PageSettings

    settings = PageSettings(_choice(desk.settings), people=desk.settings.data / PEOPLE)
    with opened_page(settings, prefix=PREFIX, hosts=LOOPBACK_NAMES) as page:
        yield Beside(app, Locked(page, desk))


def _choice(settings: ServiceSettings) -> ModelChoice:
    own = settings.models[settings.default_model]
    return ModelChoice(model=own.model, adapter=own.adapter, encoder=own.encoder, device=own.device)


class Beside:
    """Two applications: what begins with ``/ui``, start and stop go to the page, the rest to the service."""

    def __init__(self, app: ASGIApp, page: ASGIApp) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "lifespan" or f"{scope['path']}/".startswith(f"{PREFIX}/")
        await (self.page if own else self.app)(scope, receive, send)


class Locked:
    """Asks for a key wherever the service does; browsers send it as the password of HTTP's own dialogue."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app, self.desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await run_in_threadpool(self._admit, Headers(scope=scope).get("authorization", ""))
            except ServiceError as error:
                headers = {"WWW-Authenticate": REALM} if error.status == 401 else None
                return await problem(error.status, error.code, str(error), headers)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _admit(self, said: str) -> None:
        if not self.desk.needs_key and not self.desk.keys.any_made():
            return
        key = self.desk.keys.check(_password(said))
        missing = [right.value for right in NEEDED if right not in key.scopes]
        if missing:
            raise ForbiddenError(f"this key may not {', '.join(missing)}, which the page needs")


def _password(said: str) -> str:
    """Of ``Basic ...``; the name before it does not matter."""
    kind, _, words = said.partition(" ")
    if kind.lower() != "basic":
        raise UnauthorizedError("a key is needed; give it as the password, with any name")
    try:
        return base64.b64decode(words, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthorizedError("what was sent is no name and password; give a key as the password") from error
