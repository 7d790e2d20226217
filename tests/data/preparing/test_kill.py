"""Killed with SIGKILL at random points and started again, a preparation ends as one that was never broken."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from limner.data.pools import open_pool
from limner.data.preparing.run import prepare
from tests.data.preparing.stubs import files_of, lay_out, maker, small_settings

ROOT = Path(__file__).resolve().parents[3]
MOST_STARTS = 40


def start(photos: Path, shards: Path, workers: int) -> subprocess.Popen[str]:
    """Returns when everything is imported and the work begins."""
    command = [sys.executable, "-m", "tests.data.preparing.kill_me", str(photos), str(shards), str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_kill(tmp_path: Path, workers: int) -> None:
    photos, settings = lay_out(tmp_path / "photos", people=6, shots=4), small_settings()
    prepare(photos, tmp_path / "unbroken", settings, open_pool(maker(photos, settings), 1))
    random_numbers, kills = random.Random(workers), 0
    for _ in range(MOST_STARTS):
        process = start(photos, tmp_path / "killed", workers)
        # Later and later, for however slow a machine: spawned processes take seconds to import.
        time.sleep(random_numbers.uniform(0.5, 1.0) * (0.1 if workers == 1 else 1.0) * 1.25**kills)
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        told = process.communicate()[0]
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
        if told == "done\n":
            break
        kills += 1
    assert kills >= 2
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "unbroken")
    assert list((tmp_path / "killed").rglob("*.part")) == []
