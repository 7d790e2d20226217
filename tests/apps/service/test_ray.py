"""``limner serve --ray``: what it refuses, how it counts workers; a cluster of two nodes that loses one under load."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from limner.apps.service import extra
from limner.apps.service.api.desk import Desk
from limner.apps.service.database import Database
from limner.apps.service.ray_serving import QueuePolicy, serve_on_ray
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import jobs, workers
from limner.core.errors import ConfigError, MissingExtraError
from tests.apps.conftest import Exits
from tests.apps.service.fakes import some_job, wait_for
from tests.apps.service.test_kill import ROOT, check_the_end, free_port, hand_in, insist

JOBS = 60


def test_one_database_for_several_machines_is_asked_for(command: Exits, tmp_path: Path) -> None:
    settings = ServiceSettings(data=tmp_path)
    with pytest.raises(ConfigError, match="give one of PostgreSQL"):
        serve_on_ray(settings, host="127.0.0.1", port=1, most_workers=1)
    with pytest.raises(ConfigError, match="at least one worker"):
        serve_on_ray(
            settings.model_copy(update={"database": "postgresql://x"}), host="127.0.0.1", port=1, most_workers=0
        )


def test_missing_packages_name_the_command(command: Exits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "NEEDED_ON_RAY", ("no_such_package",))
    with pytest.raises(MissingExtraError, match=r"on Ray.*pip install 'limner\[cluster\]'"):
        extra.require_ray_packages()
    code, _, errors = command("serve", "--ray", "--data", tmp_path)
    assert (code, "limner[cluster]" in errors) == (2, True)


def test_workers_follow_the_pictures_that_wait_or_are_drawn(desk: Desk) -> None:
    policy = QueuePolicy(desk.settings.model_dump_json())  # eight pictures in a pass

    def wanted() -> int:
        assert policy._asking is not None
        policy._asking.result(20)
        return policy(None)[0]

    assert policy(None)[0] == 0
    assert wanted() == 0
    for rows in (8, 1):
        desk.jobs.submit(some_job(rows=rows))
    wait_for(lambda: wanted() == 2)
    for _ in range(9):
        desk.jobs.submit(some_job(rows=8))
    wait_for(lambda: wanted() == 11)  # Ray keeps it within its bounds
    for job in desk.jobs.list("local"):
        desk.jobs.cancel("local", job.id)
    wait_for(lambda: wanted() == 0)


def test_a_database_that_is_away_changes_nothing(desk: Desk) -> None:
    policy = QueuePolicy(desk.settings.model_dump_json())
    policy._pictures = 16
    away: Future[int] = Future()
    away.set_exception(OperationalError("", None, Exception("away")))
    policy._asking = away
    assert policy(None)[0] == 2


# A cluster of two nodes on this machine


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head with two processors, where the API and the controller are, and a node with two."""
    for needed in extra.NEEDED_ON_RAY:
        pytest.importorskip(needed)
    nodes: Any = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # of the nodes, which the test starts
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = nodes.Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield found
    found.shutdown()


def workers_seen(database: Database) -> set[int]:
    with database.reading() as connection:
        return set(connection.scalars(sa.select(workers.c.pid)))


def jobs_held_on(node: Any, database: Database) -> set[str]:
    """Jobs that workers of this node are drawing."""
    raylet = node.all_processes["raylet"][0].process.pid
    query = sa.select(jobs.c.id, workers.c.pid).join(workers, workers.c.id == jobs.c.worker)
    with database.reading() as connection:
        rows = connection.execute(query.where(jobs.c.state == "running")).all()
    return {row.id for row in rows if psutil.pid_exists(row.pid) and psutil.Process(row.pid).ppid() == raylet}


def attempts(database: Database, ids: set[str]) -> list[int]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(jobs.c.attempt).where(jobs.c.id.in_(ids))))


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_node_is_killed_under_load(tmp_path: Path, database: Database, cluster: Any) -> None:
    second = cluster.add_node(num_cpus=2)
    port, url = free_port(), database.engine.url.render_as_string(hide_password=False)
    program = [sys.executable, "-m", "tests.apps.service.ray_server", str(tmp_path / "service"), str(port), url]
    log = (tmp_path / "log.txt").open("w")
    server = subprocess.Popen(
        program, cwd=ROOT, env={**os.environ, "RAY_ADDRESS": cluster.address}, stdout=log, stderr=log
    )
    victim: Any = SimpleNamespace(url=f"http://127.0.0.1:{port}")
    ids: list[str] = []
    try:
        with httpx2.Client(timeout=20) as client:
            wait_for(lambda: healthy(client, victim.url, server), 300)

            def hand_all_in() -> None:
                with httpx2.Client(timeout=20) as mine:
                    ids.extend(hand_in(victim, mine, number) for number in range(JOBS))

            def done() -> int:
                return len(insist(lambda: client.get(f"{victim.url}/v1/jobs?state=done&limit=200"))["jobs"])

            clients = threading.Thread(target=hand_all_in)
            clients.start()
            wait_for(lambda: len(workers_seen(database)) >= 2, 240)  # the queue is long: Ray started more
            wait_for(lambda: done() >= JOBS // 6, 240)
            lost = wait_for(lambda: jobs_held_on(second, database), 240)
            cluster.remove_node(second, allow_graceful=False)
            clients.join(300)
            assert len(set(ids)) == JOBS
            wait_for(lambda: done() == JOBS, 300)
        assert max(attempts(database, lost)) > 1  # taken up again elsewhere
        check_the_end(tmp_path / "service", database, ids)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            assert server.wait(120) == 0, (tmp_path / "log.txt").read_text()
        finally:
            server.kill()
            log.close()


def healthy(client: httpx2.Client, url: str, server: subprocess.Popen) -> bool:
    """Whether a service that was started answers; waits a moment where it does not."""
    assert server.poll() is None
    try:
        return client.get(f"{url}/health").status_code == 200
    except httpx2.TransportError:
        time.sleep(0.5)
        return False
