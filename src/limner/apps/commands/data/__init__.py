"""``limner data``: making, looking through and keeping training shards."""

import typer

from limner.apps.commands.data import keeping, making, preparing

__all__ = ["keeping", "making", "preparing", "register"]


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    data = typer.Typer(no_args_is_help=True, help="Make, look through and keep training shards.")
    for part in (preparing, making, keeping):
        part.register(data)
    app.add_typer(data, name="data")
