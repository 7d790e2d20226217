"""``limner ui``: the page in a browser, on this computer alone."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks

PEOPLE = "Folder of identity cards; people in Limner's own data folder by default."
ADAPTERS = "Folder with more face adapters of this model, .safetensors, for the tab Compare."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(ui)


@with_blocks(model=option_blocks.model)
def ui(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="On this computer; nobody else can reach it.")] = 7860,
    people: Annotated[Path | None, typer.Option(help=PEOPLE)] = None,
    adapters: Annotated[Path | None, typer.Option(help=ADAPTERS)] = None,
    styles: options.Styles = None,
    model: Options,
) -> None:
    """Portraits, templates, people, batches, comparisons and checks in a browser."""
    from limner.apps.page.extra import require_page_packages

    require_page_packages()
    from limner.apps.model_choice import ModelChoice
    from limner.apps.page.serving import serve
    from limner.apps.page.settings import PageSettings

    choice = ModelChoice(**model)
    typer.echo("Opening the model ...", err=True)
    serve(
        PageSettings(choice, people, adapters, styles),
        port=port,
        ready=lambda address: typer.echo(f"Open {address} in a browser on this computer. Ctrl+C ends it."),
    )
