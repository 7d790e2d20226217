"""The frame of the command line: help, errors, licences, doctor."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from limner.apps import cli, doctor
from limner.core.assets import packaged_assets, write_sums
from limner.core.errors import ImageError

Exits = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Exits:
    """Run ``limner ...`` as the console script does; gives exit code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(arguments)
        output, errors = capsys.readouterr()
        return int(stopped.value.code or 0), output, errors

    return run_command


def test_help_lists_the_commands(run: Exits) -> None:
    code, output, _ = run("--help")
    assert code == 0
    assert "doctor" in output
    assert "licences" in output


def test_version(run: Exits) -> None:
    assert run("--version") == (0, f"{version('limner')}\n", "")


def test_every_command_shows_its_help_without_loading_anything_heavy() -> None:
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback]
    names += [group.name for group in cli.app.registered_groups if group.name]
    assert {"doctor", "licences"} <= set(names)
    code = f"""
import sys
from typer.testing import CliRunner
from limner.apps.cli import app
for name in {names!r}:
    result = CliRunner().invoke(app, [name.replace("_", "-"), "--help"])
    assert result.exit_code == 0, (name, result.output)
print(*sorted({{"torch", "diffusers", "transformers", "cv2"}} & sys.modules.keys()))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_an_error_is_one_red_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise ImageError("me.jpg is [bold]empty[/bold];\n give a photo " + "x" * 200)

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(SystemExit) as stopped:
        cli.main([])
    output, errors = capsys.readouterr()
    assert stopped.value.code == 2
    assert output == ""
    assert errors.count("\n") == 1
    assert errors.startswith("\x1b[31mme.jpg is [bold]empty[/bold]; give a photo xxx")


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


def test_licences_are_shown_with_the_ancestor_that_refuses(run: Exits) -> None:
    code, output, _ = run("licences")
    assert code == 0
    (row,) = [line for line in output.splitlines() if line.startswith("  bisenetv2 ")]
    assert row.split() == ["bisenetv2", "network", "MIT", "no", "celebamask-hq"]


def test_commercial_refuses_by_name(run: Exits) -> None:
    assert run("licences", "--commercial", "yunet", "taef2")[0] == 0
    code, output, errors = run("licences", "--commercial", "yunet", "miniature-base")
    assert code == 2
    assert "miniature-base" in output
    assert "not for commercial use: miniature-base <- random-face <- stylegan2-ffhq" in errors
    assert "yunet" not in errors
    assert run("licences", "--commercial")[0] == 2
    assert run("licences", "nobody")[0] == 2


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder of packaged weights with an embedded model, all whole."""
    for name in ("yunet/net.onnx", "miniature/unet.safetensors"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    write_sums(tmp_path)
    return tmp_path


def test_doctor_finds_a_whole_installation_usable(weights: Path) -> None:
    report = doctor.examine(weights)
    assert report.usable
    assert dict(report.packages)["limner"] == version("limner")
    assert dict(report.packages)["torch"] == version("torch")
    assert report.device.startswith(("CPU", "CUDA", "MPS"))
    assert [asset.state for asset in report.assets] == ["ok", "ok"]
    assert [problem for problem in report.problems if "extra" not in problem] == []


def test_doctor_names_a_damaged_network_and_stays_usable(weights: Path) -> None:
    (weights / "yunet" / "net.onnx").write_text("other")
    report = doctor.examine(weights)
    assert report.usable
    assert any("yunet/net.onnx is changed; install Limner again" in problem for problem in report.problems)


@pytest.mark.parametrize("damage", ["changed", "missing", "unlisted", "no list"])
def test_doctor_finds_a_broken_embedded_model_unusable(weights: Path, damage: str) -> None:
    embedded = weights / "miniature" / "unet.safetensors"
    if damage == "changed":
        embedded.write_text("other")
    if damage in {"missing", "unlisted"}:
        embedded.unlink()
    if damage == "unlisted":
        write_sums(weights)
    if damage == "no list":
        (weights / "SHA256SUMS").unlink()
    report = doctor.examine(weights)
    assert not report.usable
    assert any("install Limner again" in problem for problem in report.problems)


def test_doctor_tells_how_to_install_a_missing_extra(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["numpy>=2", "no-such-base", "no-such-package==1; extra == 'judge'"]
    )
    report = doctor.examine(weights)
    assert "needed but not installed: no-such-base; run: pip install no-such-base" in report.problems
    assert "the extra 'judge' is not installed (no-such-package); run: pip install 'limner[judge]'" in report.problems
    assert dict(report.packages)["no-such-package"] == "missing"


@pytest.mark.parametrize("usable", [True, False])
def test_doctor_exits_by_the_embedded_model(usable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    report = doctor.Report([("torch", "1")], "CPU", packaged_assets()[:1], ["something is odd; mend it"], usable)
    monkeypatch.setattr(doctor, "examine", lambda: report)
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == (0 if usable else 1)
    assert result.output.rstrip().endswith("something is odd; mend it")
    assert "Device: CPU" in result.output
