"""``python -m limner.training`` is ``limner train`` in as many processes as there are."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limner.data.record import write_shard
from limner.training.log import read_log
from tests.apps.tiny_models import save_tiny_encoder
from tests.contracts.pipelines import PIPELINES
from tests.data.examples import record
from tests.training.processes import environment, run_together

TINY = Path(__file__).resolve().parents[2] / "recipes" / "tiny"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A tiny recipe with its base, encoder and shards, but for the folder to write to."""
    pipeline: Any = PIPELINES[0].build()
    pipeline.save_pretrained(tmp_path / "sd15")
    save_tiny_encoder(tmp_path / "encoder.safetensors")
    people = [record(i, person=f"person-{i // 2}", caption="a face") for i in range(4)]
    write_shard(tmp_path / "shards" / "a.tar", people)
    changes = [f"base={tmp_path / 'sd15'}", f"encoder={tmp_path / 'encoder.safetensors'}"]
    sets = [word for change in changes for word in ("--set", change)]
    return [str(TINY / "fact-sd15.toml"), "--shards", str(tmp_path / "shards"), *sets, "--threads", "1"]


@pytest.mark.slow
def test_two_processes_train_as_one_that_accelerate_launched(tmp_path: Path, arguments: list[str]) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command = [*launch, "-m", "limner.training", *arguments, "-o", str(tmp_path / "one")]
    alone = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert alone.returncode == 0, alone.stderr
    assert "written:" in alone.stdout
    run_together("limner.training", *arguments, "-o", str(tmp_path / "two"), num_processes=2)
    first, second = (read_log(tmp_path / name / "fact" / "log.csv") for name in ("one", "two"))
    assert [row["step"] for row in second] == [1, 2, 3, 4]
    for row, other in zip(first, second, strict=True):
        assert row["denoising"] == pytest.approx(other["denoising"], rel=1e-3)
    assert (tmp_path / "two" / "model" / "adapter.safetensors").exists()
    assert (tmp_path / "two" / "fact" / "report.html").exists()
