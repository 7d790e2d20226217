"""``limner licences``: what may be done with the networks and data sets."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(licences)


def licences(
    names: Annotated[list[str] | None, typer.Argument(help="Records to show; all by default.")] = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Refuse what forbids commercial use.")] = False,
) -> None:
    """Show the terms of networks and data sets, inherited ones included."""
    from limner.apps.tables import print_table
    from limner.core.licences import all_licences, licence_of, refusal, require_commercial

    records = [licence_of(name) for name in names or all_licences()]
    rows = []
    for record in records:
        chain = refusal(record.name)
        rows.append((record.name, record.kind, record.licence, "no" if chain else "yes", " <- ".join(chain[1:])))
    print_table("Licences", ["name", "kind", "licence", "commercial", "because of"], rows)
    if commercial:
        require_commercial(record.name for record in records)
