"""``limner doctor``: what is installed, what is missing, what to do."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(doctor)


def doctor() -> None:
    """Show what is installed, the device, the packaged weights, and what to do about problems."""
    from limner.apps.doctor import examine
    from limner.apps.tables import print_table

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
