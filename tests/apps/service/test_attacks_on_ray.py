"""Every attack that goes through a port, on the same application behind the proxy of Ray Serve."""

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
import sqlalchemy as sa

from limner.apps.service import extra
from limner.apps.service.api.desk import Desk, open_desk
from limner.apps.service.blobs import IDENTITIES, PICTURES, UPLOADS
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import LOCAL, identities, job_people, jobs, keys, pictures, uploads
from tests.apps.service import test_attacks, test_attacks_everywhere
from tests.apps.service.fakes import wait_for
from tests.apps.service.loopback import request, send
from tests.apps.service.test_kill import ROOT, free_port
from tests.apps.service.test_ray import healthy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
OWN_MEMORY = {"test_requests_leave_nothing_behind_in_memory"}
"""Looks at the memory of the process that it runs in, and the application is in others here."""


def _through_the_port(module: ModuleType) -> dict[str, object]:
    attacks = {name: one for name, one in vars(module).items() if name.startswith("test_") and callable(one)}
    return {name: one for name, one in attacks.items() if "port" in inspect.signature(one).parameters}


ATTACKS = _through_the_port(test_attacks) | _through_the_port(test_attacks_everywhere)
globals().update({name: attack for name, attack in ATTACKS.items() if name not in OWN_MEMORY})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[tuple[ServiceSettings, int]]:
    """A service on a Ray of its own, and the port of its proxy."""
    for needed in extra.NEEDED_ON_RAY:
        pytest.importorskip(needed)
    admin = sa.create_engine(postgres.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE attacked"))
    admin.dispose()
    url, port = postgres.replace("/postgres?", "/attacked?"), free_port()
    settings = ServiceSettings(data=tmp_path_factory.mktemp("attacked") / "service", database=url)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    own = {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "tests.apps.service.ray_server", str(settings.data), str(port), url]
    log = tmp_path_factory.mktemp("log") / "ray.txt"
    with log.open("w") as written:
        server = subprocess.Popen(program, cwd=ROOT, env={**os.environ, **own}, stdout=written, stderr=written)
        try:
            with httpx2.Client(timeout=20) as client:
                wait_for(lambda: healthy(client, f"http://127.0.0.1:{port}", server), 300)
            yield settings, port
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                assert server.wait(120) == 0, log.read_text()
            finally:
                server.kill()


@pytest.fixture
def desk(service: tuple[ServiceSettings, int]) -> Iterator[Desk]:
    """The same database and folder, seen from beside the service; empty."""
    desk = open_desk(service[0], needs_key=False)
    with desk.database.writing() as connection:
        for table in (pictures, job_people, jobs, identities, uploads):
            connection.execute(sa.delete(table))
        connection.execute(sa.delete(keys).where(keys.c.id != LOCAL))
    for kind in (UPLOADS, IDENTITIES, PICTURES):
        for left in (desk.blobs.folder / kind).glob("*"):
            left.unlink()
    yield desk
    desk.database.close()


@pytest.fixture
def port(service: tuple[ServiceSettings, int], desk: Desk) -> int:
    (desk.blobs.folder.parent / test_attacks.BAIT).write_text(test_attacks.SECRET)
    return service[1]


def test_what_the_proxy_itself_answers_tells_nothing(port: int, desk: Desk) -> None:
    for target in ("/-/healthz", "/-/routes"):
        status, _, body = send(port, request("GET", target))
        assert status < 500, target
        assert str(Path(desk.blobs.folder)).encode() not in body
        assert b"postgresql" not in body


def test_the_attacks_are_all_here() -> None:
    assert len(ATTACKS) > 12
