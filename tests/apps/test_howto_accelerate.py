"""The page docs/howto-accelerate.md: its small run is made, its other commands are read by accelerate's own parser."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limner.data.record import write_shard
from tests.apps.tiny_models import save_tiny_encoder
from tests.contracts.pipelines import PIPELINES
from tests.data.examples import record
from tests.docs.test_commands import problem_with
from tests.training.processes import environment

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "howto-accelerate.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for block in re.findall(r"```(?:sh|console)\n(.*?)```", TEXT, re.DOTALL)
         for line in block.splitlines()]  # fmt: skip
LAUNCHES = [line for line in LINES if line.startswith("accelerate launch")]


@pytest.mark.parametrize("line", LAUNCHES)
def test_a_command_is_one_that_accelerate_and_limner_understand(line: str) -> None:
    from accelerate.commands.launch import launch_command_parser

    told: Any = launch_command_parser().parse_args(shlex.split(line)[2:])
    assert (told.module, told.training_script) == (True, "limner.training")
    assert problem_with(shlex.join(["limner", "train", *told.training_script_args])) is None
    assert (ROOT / told.training_script_args[0]).is_file()


@pytest.mark.slow
def test_the_small_run_is_made_and_its_adapter_opened(tmp_path: Path) -> None:
    pipeline: Any = PIPELINES[0].build()
    pipeline.save_pretrained(tmp_path / "sd15")
    save_tiny_encoder(tmp_path / "transface.safetensors")
    people = [record(i, person=f"person-{i // 2}", caption="a face") for i in range(4)]
    write_shard(tmp_path / "shards" / "a.tar", people)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    [block] = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    [program] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    launch = [sys.executable, "-m", "accelerate.commands.launch", *shlex.split(block)[2:]]
    for command in (launch, [sys.executable, "-c", program]):
        run = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("tiny ('miniature-adapter',")
