"""The command ``limner``: gathers the commands, turns Limner's errors into one red line and exit code 2."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from limner.apps import commands
from limner.core.errors import LimnerError

EXIT_REFUSED = 2
"""What was asked for cannot be done as asked; the message says what to change."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("limner"))
        raise typer.Exit


@app.callback()
def limner(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Portraits that look like a given person and follow your words."""


for _module in sorted(module.name for module in iter_modules(commands.__path__)):
    import_module(f"{commands.__name__}.{_module}").register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; without arguments, those of the process."""
    try:
        app(args=arguments)
    except LimnerError as error:
        line = " ".join(str(error).split())
        Console(stderr=True, soft_wrap=True).print(Text(line, style="red"))
        sys.exit(EXIT_REFUSED)
