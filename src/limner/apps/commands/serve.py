"""``limner serve`` and ``limner work``: portraits over HTTP, drawn by this machine and by others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limner.apps.service.settings import ServiceSettings

CONFIG = "Settings of the service, TOML; docs/service.md lists them. The options here override it."
DATA = "Folder of everything that is stored; limner-service by default."
DATABASE = "SQLAlchemy URL, e.g. postgresql://...; SQLite inside the folder by default."
WORKERS = "Processes that draw; 0 leaves that to `limner work`. With --ray: the most there may be."
RAY = "On the Ray cluster of RAY_ADDRESS, workers by the length of the queue; needs PostgreSQL."
MODEL = '"miniature" or a folder in diffusers format; the config names several.'

Config = Annotated[Path | None, typer.Option("--config", help=CONFIG, envvar="LIMNER_CONFIG")]
Data = Annotated[Path | None, typer.Option("--data", help=DATA, envvar="LIMNER_DATA")]
Database = Annotated[str | None, typer.Option("--database", help=DATABASE, envvar="LIMNER_DATABASE")]
Model = Annotated[str | None, typer.Option("--model", help=MODEL)]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(serve)
    app.command()(work)


def service_settings(
    config: Path | None, data: Path | None, database: str | None, model: str | None = None
) -> "ServiceSettings":
    """What the options of a command come to.

    Raises:
        ConfigError: the file is missing, malformed or has an unknown or wrong value.
        MissingExtraError: the packages of the service are not installed.
    """
    from limner.apps.service.extra import require_service_packages

    require_service_packages()
    from limner.apps.service.settings import ModelSettings, ServiceSettings

    settings = ServiceSettings() if config is None else ServiceSettings.read(config)
    changes = {"data": data, "database": database}
    if model is not None:
        name = "miniature" if model == "miniature" else "custom"
        changes["models"] = {name: ModelSettings(model=model)}
    return settings.model_copy(update={key: value for key, value in changes.items() if value is not None})


def serve(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address; others than this machine's need an API key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    data: Data = None,
    database: Database = None,
    model: Model = None,
    workers: Annotated[int, typer.Option(min=0, help=WORKERS)] = 1,
    ray: Annotated[bool, typer.Option("--ray", help=RAY)] = False,
) -> None:
    """Serve portraits over HTTP. Jobs are kept whatever dies; see docs/service.md."""
    settings = service_settings(config, data, database, model)
    import logging

    from limner.core.allocation import share_one_heap

    share_one_heap()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if ray:
        from limner.apps.service.extra import require_ray_packages

        require_ray_packages()
        from limner.apps.service.ray_serving import serve_on_ray

        serve_on_ray(settings, host=host, port=port, most_workers=workers)
    else:
        from limner.apps.service.serving import serve as run

        run(settings, host=host, port=port, workers=workers)


def work(config: Config = None, data: Data = None, database: Database = None, model: Model = None) -> None:
    """Draw for a service that runs elsewhere, over the same database and folder, until SIGTERM comes."""
    settings = service_settings(config, data, database, model)
    import logging

    from limner.apps.service.worker_process import run_worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    run_worker(settings)
