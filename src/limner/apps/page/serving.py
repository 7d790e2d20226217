"""``limner ui`` behind the command line: this computer only."""

import asyncio
from collections.abc import Callable

import uvicorn

from limner.apps.page.application import opened_page
from limner.apps.page.settings import PageSettings
from limner.apps.service.api.guards import LOOPBACK_NAMES
from limner.apps.service.serving import signals_end_nothing
from limner.core.errors import ConfigError

HOST = "127.0.0.1"
"""There is no other: whoever wants the page for more people starts the service, which has keys."""
STOPPING_SECONDS = 1
"""Windows that are open keep a connection each, which would otherwise be waited for."""


def serve(settings: PageSettings, *, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until SIGINT or SIGTERM comes.

    Args:
        ready: told the address once the model is open.

    Raises:
        ConfigError: the port is taken.
        LimnerError: the model cannot be opened.
    """
    with opened_page(settings, hosts=LOOPBACK_NAMES) as app:
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=HOST,
                port=port,
                lifespan="on",
                log_level="error",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=STOPPING_SECONDS,
            )
        )
        ready(f"http://{HOST}:{port}")
        try:
            with signals_end_nothing():
                asyncio.run(server.serve())
        except SystemExit as error:
            raise ConfigError(f"cannot serve at {HOST}:{port}; choose another port (--port)") from error
