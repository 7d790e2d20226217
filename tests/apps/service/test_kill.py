"""kill -9 of worker and server at random points with 100 jobs in the queue: nothing lost, nothing doubled."""

import hashlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import sqlalchemy as sa

from limner.apps.service.blobs import PICTURES, Blobs
from limner.apps.service.database import Database
from limner.apps.service.tables import jobs, pictures
from limner.core.images import read_image
from tests.apps.service.fakes import painted, wait_for

ROOT = Path(__file__).resolve().parents[3]
JOBS = 100


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Victim:
    """A service that is started again whenever it was killed."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database, self.port = folder, database, free_port()
        self.process = self._start()
        self.children: list[psutil.Process] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill_server(self) -> None:
        self.children += psutil.Process(self.process.pid).children()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = self._start()

    def kill_worker(self) -> None:
        for worker in psutil.Process(self.process.pid).children():
            worker.kill()

    def stop(self) -> None:
        self.children += psutil.Process(self.process.pid).children()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        _, alive = psutil.wait_procs(self.children, timeout=60)
        assert alive == []

    def _start(self) -> subprocess.Popen:
        program = [sys.executable, "-m", "tests.apps.service.killed_server"]
        command = [*program, str(self.folder), str(self.port), self.database]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def insist(ask: Callable[[], httpx2.Response]) -> Any:
    """Ask until there is an answer, as a client that keeps its idempotency key may."""

    def once() -> Any:
        try:
            answer = ask()
        except httpx2.TransportError:
            return None
        return answer.json() if answer.status_code in (200, 201) else None

    return wait_for(once, 120)


def hand_in(victim: Victim, client: httpx2.Client, number: int) -> str:
    request = {"kind": "portrait", "prompt": f"job {number}", "adapter_scale": 0, "num_steps": 3, "seed": number}
    request["count"] = 1 + number % 3
    headers = {"Idempotency-Key": f"job-{number}"}
    return insist(lambda: client.post(f"{victim.url}/v1/jobs", json=request, headers=headers))["id"]


def check_the_end(folder: Path, database: Database, ids: list[str]) -> None:
    blobs = Blobs(folder)
    with database.reading() as connection:
        states = {row.id: row.state for row in connection.execute(sa.select(jobs))}
        rows = connection.execute(sa.select(pictures).order_by(pictures.c.job_id, pictures.c.position)).all()
    assert states == dict.fromkeys(ids, "done")
    by_job: dict[str, list[Any]] = {}
    for row in rows:
        by_job.setdefault(row.job_id, []).append(row)
    for number, job_id in enumerate(ids):
        mine = by_job[job_id]
        assert [row.seed for row in mine] == list(range(number, number + 1 + number % 3))
        for row in mine:
            path = blobs.path(PICTURES, row.id)
            assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
            assert (read_image(path) == painted(f"job {number}", row.seed)).all()


def run_and_kill(folder: Path, database: Database, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    victim = Victim(folder, database.engine.url.render_as_string(hide_password=False))
    ids: list[str] = []

    def hand_all_in() -> None:
        with httpx2.Client(timeout=10) as client:
            ids.extend(hand_in(victim, client, number) for number in range(JOBS))

    clients = threading.Thread(target=hand_all_in)
    clients.start()
    with httpx2.Client(timeout=10) as client:

        def done() -> int:
            listed = insist(lambda: client.get(f"{victim.url}/v1/jobs?state=done&limit=200"))
            return len(listed["jobs"])

        for number in range(kills):
            # Not before there was progress since the last kill, or the end would never come.
            wait_for(lambda number=number: done() >= number * JOBS // (kills + 1), 240)
            time.sleep(rng.uniform(0, 1.0))
            (victim.kill_worker if number % 2 else victim.kill_server)()
        clients.join(240)
        assert len(set(ids)) == JOBS
        wait_for(lambda: done() == JOBS, 240)
    victim.stop()
    check_the_end(folder, database, ids)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_killed_twice(tmp_path: Path, database: Database) -> None:
    run_and_kill(tmp_path / "service", database, kills=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(tmp_path: Path, database: Database, seed: int) -> None:
    run_and_kill(tmp_path / "service", database, kills=12, seed=seed)
