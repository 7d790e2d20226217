"""``limner serve`` behind the command line: who may reach it is decided before a socket is opened."""

import asyncio
import ipaddress
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import uvicorn
from starlette.types import ASGIApp

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.page import with_page
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.supervisor import PROGRAM, Supervisor
from limner.core.errors import ConfigError, LimnerError

CONNECTIONS = 512
"""Connections served at the same time; more are answered with 503."""


class Refused(LimnerError):
    """The workers cannot work; their own message stands in the log."""


@contextmanager
def signals_end_nothing() -> Iterator[None]:
    """Uvicorn sends itself the signal that stopped it once more; the workers are still to be stopped then."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def is_public(host: str) -> bool:
    """Whether other machines may reach a server bound to this address."""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def guarded_desk(settings: ServiceSettings, host: str) -> Desk:
    """Open the stores for a server at this address.

    Raises:
        ConfigError: others could reach it and there is no key, or the database cannot be used.
    """
    desk = open_desk(settings)
    if is_public(host) and not desk.keys.any_valid():
        desk.database.close()
        raise ConfigError(
            f"{host} can be reached by other machines and there is no API key; make one with `limner keys create`, "
            "or bind to 127.0.0.1"
        )
    return replace(desk, needs_key=is_public(host) or desk.keys.any_made())


def serve(settings: ServiceSettings, *, host: str, port: int, workers: int, program: Sequence[str] = PROGRAM) -> None:
    """Serve until SIGTERM or SIGINT comes; then finish what is being answered and drawn, for a while.

    Args:
        workers: processes that draw.
        program: the command of such a process.

    Raises:
        ConfigError: see :func:`guarded_desk`; or the address is taken.
        Refused: the workers cannot work.
    """
    desk = guarded_desk(settings, host)
    try:
        service = create_app(replace(desk, stopping=lambda: server.should_exit))
        with with_page(service, desk, public=is_public(host)) as app:
            server = _server(app, settings, host, port)
            _run(server, settings, workers, program)
    except SystemExit as error:
        raise ConfigError(f"cannot serve at {host}:{port}; choose another port, or end what is there") from error
    finally:
        desk.database.close()
    logging.getLogger(__name__).info("stopped")


def _server(app: ASGIApp, settings: ServiceSettings, host: str, port: int) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            lifespan="on" if settings.page else "off",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=max(int(settings.times.stop), 1),
        )
    )


def _run(server: uvicorn.Server, settings: ServiceSettings, workers: int, program: Sequence[str]) -> None:
    """Serve with workers beside the server, until it ends or they cannot work."""
    refusals: list[bool] = []

    def refuse() -> None:
        refusals.append(True)
        server.should_exit = True

    supervisor = Supervisor(settings, workers, refuse, program)
    supervisor.start()
    try:
        with signals_end_nothing():
            asyncio.run(server.serve())
    finally:
        supervisor.stop()
    if refusals:
        raise Refused("the workers could not start; the lines above say why")
