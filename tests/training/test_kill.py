"""Killed with SIGKILL at random moments and started again, a run is the unbroken one, bit for bit."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from limner.training.log import read_log
from tests.training.killed_run import train
from tests.training.processes import environment


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_run_equals_the_unbroken_one(tmp_path: Path, seed: int) -> None:
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    command = [sys.executable, "-m", "tests.training.killed_run", str(broken), str(seed)]
    finished = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) >= 2  # or else nothing was tried
    train(unbroken)
    first, second = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in read_log(folder / "log.csv")]
        for folder in (unbroken, broken)
    )
    assert first == second
    whole, resumed = (torch.load(folder / "state.pt", weights_only=True) for folder in (unbroken, broken))
    assert sorted(path.name for path in broken.iterdir()) == ["log.csv", "report.html", "state.pt"]
    for part in ("module", "average"):
        assert whole[part].keys() == resumed[part].keys()
        for name, value in whole[part].items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(resumed[part][name])), name
    for number, state in whole["optimizer"]["state"].items():
        assert all(torch.equal(value, resumed["optimizer"]["state"][number][name]) for name, value in state.items())
