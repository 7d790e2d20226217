"""``limner keys``: who may use a service."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from limner.apps.commands.serve import Config, Data, Database, service_settings

if TYPE_CHECKING:
    from limner.apps.service.keys import KeyStore

SCOPES = "What it is for: read, draw, people, metrics; may be repeated. All but metrics by default."


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of a service.")
    group.command()(create)
    group.command("list")(list_keys)
    group.command()(revoke)
    app.add_typer(group, name="keys")


def create(
    name: Annotated[str, typer.Argument(help="For whom; shown by `limner keys list`.")],
    scope: Annotated[list[str] | None, typer.Option(help=SCOPES)] = None,
    config: Config = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Make a key and print it; it is kept as a hash and cannot be shown again."""
    store = _store(config, data, database)
    from limner.apps.service.keys import Scope
    from limner.core.errors import ConfigError

    known = [one.value for one in Scope]
    unknown = [one for one in scope or () if one not in known]
    if unknown:
        raise ConfigError(f"there is no scope {unknown[0]!r}; there are {', '.join(known)}")
    _, text = store.create(name, set(map(Scope, scope or ("read", "draw", "people"))))
    typer.echo(text)


def list_keys(config: Config = None, data: Data = None, database: Database = None) -> None:
    """List the keys; none is shown whole, because none is kept whole."""
    from limner.apps.tables import print_table

    rows = [
        (key.id, key.name, " ".join(sorted(key.scopes)), _day(key.created_at), _day(key.revoked_at))
        for key in _store(config, data, database).list()
    ]
    print_table("API keys", ["id", "name", "scopes", "created", "revoked"], rows)


def revoke(
    key: Annotated[str, typer.Argument(help="The id, as `limner keys list` shows it.")],
    config: Config = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Make a key worthless, at once; what belongs to it stays."""
    _store(config, data, database).revoke(key)
    typer.echo(f"{key} is revoked.")


def _store(config: Config, data: Data, database: Database) -> "KeyStore":
    settings = service_settings(config, data, database)
    from limner.apps.service.database import Database as Opened
    from limner.apps.service.keys import KeyStore

    return KeyStore(Opened(settings.database_url))


def _day(time: float | None) -> str:
    return "-" if time is None else datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")
