"""What an operator decides about a service, read from one TOML file; the defaults suit one machine."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, StringConstraints

from limner.core.config import Config
from limner.core.errors import ConfigError

MODEL_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ModelName = Annotated[str, StringConstraints(pattern=MODEL_NAME)]
"""What clients call a model: never a path."""


class ModelSettings(Config):
    """Where one model lies; only the operator says so.

    Attributes:
        model: "miniature" or a folder in diffusers format.
        adapter: a face adapter's file; a miniature brings its own.
        encoder: the face encoder it reads; a miniature brings its own.
        device: the best there is if None.
    """

    model: str = "miniature"
    adapter: Path | None = None
    encoder: Path | None = None
    device: str | None = None


class Limits(Config):
    """How much one request, one key and everybody together may ask for.

    Attributes:
        body_bytes: largest JSON body.
        upload_bytes: largest picture as a file.
        upload_pixels: largest picture once decoded.
        uploads_at_once: bodies being received at the same time.
        uploads_per_key: pictures waiting to be used.
        identities_per_key: people kept.
        pictures_per_job: pictures one job draws.
        picture_pixels: width times height of a picture to draw.
        steps: sampling steps.
        queue_per_key: jobs of one key that wait or run.
        queue: jobs of everybody that wait or run.
        streams: event streams open at the same time.
    """

    body_bytes: PositiveInt = 64 * 1024
    upload_bytes: PositiveInt = 20 * 1024 * 1024
    upload_pixels: PositiveInt = 25_000_000
    uploads_at_once: PositiveInt = 8
    uploads_per_key: PositiveInt = 64
    identities_per_key: PositiveInt = 1000
    pictures_per_job: PositiveInt = 16
    picture_pixels: PositiveInt = 1024 * 1024
    steps: PositiveInt = 100
    queue_per_key: PositiveInt = 100
    queue: PositiveInt = 1000
    streams: PositiveInt = 64


class Times(Config):
    """Seconds.

    Attributes:
        latency_budget: how long a job may wait for others to be drawn with it when the worker has nothing else to do.
        poll: how often an idle worker and an open stream look for news.
        lease: how long a worker that gives no sign keeps its jobs.
        job: how long one attempt at a job may take.
        stop: how long a stopping worker goes on with what it has begun.
        body: how long a client may take to send a body.
        stream: how long an event stream stays open; clients come back by themselves.
    """

    latency_budget: NonNegativeFloat = 0.1
    poll: PositiveFloat = 0.2
    lease: PositiveFloat = 30.0
    job: PositiveFloat = 900.0
    stop: NonNegativeFloat = 20.0
    body: PositiveFloat = 60.0
    stream: PositiveFloat = 3600.0


class Retention(Config):
    """Hours after which things delete themselves.

    Attributes:
        jobs: finished jobs with their pictures.
        uploads: pictures that were handed in and not used.
        sweep: how often a worker looks for what is due, in seconds.
    """

    jobs: PositiveFloat = 168.0
    uploads: PositiveFloat = 1.0
    sweep: PositiveFloat = 60.0


class ServiceSettings(Config):
    """Everything about a service but its address.

    Attributes:
        data: folder of everything that is stored, shared by all machines.
        database: SQLAlchemy URL; SQLite inside ``data`` if None.
        database_password_file: file that holds the password for ``database``, so that it stands in no environment and
            no settings; None if the URL has it, or none is needed.
        models: by the name clients use; the first is the default.
        max_models: models a worker keeps open.
        max_attempts: how often a job is tried whose worker dies.
        batch_pictures: pictures drawn in one forward pass at most, of however many jobs.
        page: whether people on this machine get a page at ``/ui`` too; it draws with the default model.
    """

    data: Path = Path("limner-service")
    database: str | None = None
    database_password_file: Path | None = None
    models: dict[ModelName, ModelSettings] = Field(default={"miniature": ModelSettings()}, min_length=1)
    max_models: PositiveInt = 1
    max_attempts: PositiveInt = 3
    batch_pictures: PositiveInt = 16
    page: bool = False
    limits: Limits = Limits()
    times: Times = Times()
    retention: Retention = Retention()

    @property
    def default_model(self) -> str:
        """The model of requests that name none."""
        return next(iter(self.models))

    @property
    def database_url(self) -> str:
        """Where jobs are kept, with the password.

        Raises:
            ConfigError: the password's file cannot be read, or the URL cannot take one.
        """
        url = self.database or f"sqlite:///{self.data.absolute() / 'limner.sqlite3'}"
        return url if self.database_password_file is None else _with_password(url, self.database_password_file)


def _with_password(url: str, file: Path) -> str:
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if not separator or not at or not user or ":" in user:
        raise ConfigError(f"database_password_file is given, so write the database as {scheme}://USER@HOST/NAME")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the database's password cannot be read from {file} ({error})") from error
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"
