"""``limner doctor``: what is installed, what is missing, what to do; or the same for a service that runs."""

from pathlib import Path
from typing import Annotated

import typer

URL = "Look at the service that runs there instead, e.g. http://127.0.0.1:8000."
KEY_FILE = "With --url: file that holds a key of that service."
JOB = "With --url: have a tiny picture drawn, look whether it is marked, and delete it."
COLOURS = {"ok": typer.colors.GREEN, "wrong": typer.colors.RED, "unknown": typer.colors.YELLOW}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor(
    url: Annotated[str | None, typer.Option(help=URL)] = None,
    key_file: Annotated[Path | None, typer.Option(help=KEY_FILE)] = None,
    job: Annotated[bool, typer.Option("--job", help=JOB)] = False,
) -> None:
    """Show what is installed, the device, the packaged weights, and what to do about problems.

    With --url: whether a running service can be reached and does its work. Exit code 1 if anything is wrong.
    """
    if url is None:
        _installation(key_file, job)
    else:
        _deployment(url, key_file, job)


def _deployment(url: str, key_file: Path | None, job: bool) -> None:
    from limner.apps.deployment import examine_deployment
    from limner.apps.service_client import ServiceClient, read_key

    client = ServiceClient(url, None if key_file is None else read_key(key_file))
    wrong = 0
    for finding in examine_deployment(client, job=job):
        typer.secho(f"{finding.state:<8}", fg=COLOURS[finding.state], nl=False)
        typer.echo(f"{finding.name:<10} {finding.told}")
        wrong += finding.state == "wrong"
    if wrong:
        raise typer.Exit(1)


def _installation(key_file: Path | None, job: bool) -> None:
    from limner.apps.doctor import examine
    from limner.apps.tables import print_table
    from limner.core.errors import ConfigError

    if key_file is not None or job:
        raise ConfigError("--key-file and --job are for a service that runs; say where with --url")
    report = examine()
    print_table("Packages", ["package", "version"], report.packages)
    typer.echo(f"Device: {report.device}\n")
    rows = [(asset.name, f"{asset.num_bytes:,}", asset.sha256[:12], asset.state) for asset in report.assets]
    print_table("Packaged weights", ["file", "bytes", "sha256 begins", "state"], rows)
    for problem in report.problems:
        typer.secho(problem, fg=typer.colors.YELLOW)
    if not report.problems:
        typer.secho("Everything is in place.", fg=typer.colors.GREEN)
    if not report.usable:
        raise typer.Exit(1)
