"""Databases to test on, and a service with its client."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.blobs import Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.jobs import JobStore
from limner.apps.service.leases import Leases
from limner.apps.service.settings import ServiceSettings
from tests.apps.service.fakes import FakeStudio, settings_in


def _postgres_program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(autouse=True)
def drawn_pixels(without_watermark: None) -> None:
    """Pictures come out as they were drawn; that they are marked is asked once, by ``test_api.py``."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server of our own that listens on a socket in a folder only."""
    initdb, pg_ctl = _postgres_program("initdb"), _postgres_program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("needs PostgreSQL's programs")
    # PostgreSQL does not run as root, and pytest's folders are closed to others.
    user: dict[str, Any] = {"user": "nobody"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="limner-pg-") as folder:
        if user:
            shutil.chown(folder, **user)
        data = f"{folder}/data"
        subprocess.run([initdb, "-D", data, "-U", "limner", "-A", "trust"], check=True, capture_output=True, **user)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        start = [pg_ctl, "-D", data, "-w", "-t", "120", "-l", f"{folder}/log", "-o", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, **user)
        try:
            yield f"postgresql://limner@/postgres?host={folder}"
        finally:
            subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], check=True, capture_output=True, **user)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite3'}")
    else:
        url = request.getfixturevalue("postgres")
        admin = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(sa.text("DROP DATABASE IF EXISTS tested WITH (FORCE)"))
            connection.execute(sa.text("CREATE DATABASE tested"))
        admin.dispose()
        database = Database(url.replace("/postgres?", "/tested?"))
    yield database
    database.close()


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return settings_in(tmp_path / "service")


@pytest.fixture
def store(database: Database, settings: ServiceSettings) -> JobStore:
    return JobStore(database, Blobs(settings.data), settings.limits)


@pytest.fixture
def leases(database: Database, settings: ServiceSettings) -> Callable[[], Leases]:
    """Makes workers."""
    return lambda: Leases(database, settings, new_id())


@pytest.fixture
def desk(settings: ServiceSettings) -> Iterator[Desk]:
    desk = open_desk(settings, needs_key=False)
    yield desk
    desk.database.close()


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    """Somebody on this machine."""
    with TestClient(create_app(desk), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()
