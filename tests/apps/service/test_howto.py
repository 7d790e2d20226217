"""The how-to, run as it is written, over a tiny model."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from limner.core.assets import asset_path
from limner.core.images import read_image
from tests.apps.service.test_kill import free_port

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "howto-service.md"


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_lead_to_a_picture(tmp_path: Path, miniature_folder: Path) -> None:
    *told, several_machines, on_ray, well = blocks()
    assert "--workers 0" in several_machines
    assert "--ray" in on_ray
    assert "--job" in well
    port = free_port()
    script = "\n".join(["set -euo pipefail", *told])
    assert script.count("limner serve &") == 1
    script = script.replace("limner serve &", f"limner serve --port {port} --model '{miniature_folder}' &")
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    program = tmp_path / "bin" / "limner"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from limner.apps.cli import main; main()' \"$@\"\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    shutil.copy(asset_path("example/person.jpg"), tmp_path / "me.jpg")
    path = f"{program.parent}:{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "PYTHONPATH": f"{ROOT / 'src'}", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = ["bash", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert run.returncode == 0, run.stderr + run.stdout
    assert "event: done" in run.stdout
    assert re.search(r"^ok +workers +1 alive", run.stdout, re.MULTILINE)
    assert read_image(tmp_path / "portrait.png").shape == (64, 64, 3)
    for kind in ("identities", "pictures", "uploads"):
        assert list((tmp_path / "my-service" / kind).glob("*")) == []


def test_the_how_to_is_short() -> None:
    lines = [line for block in blocks()[:-4] for line in block.splitlines()]
    commands = [line for line in lines if not re.match(r"WISH|export|(ask|field)\(\)", line)]
    assert len(commands) <= 10  # the last checks the picture
