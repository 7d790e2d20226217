"""``limner convert``: one sub-command per foreign format."""

from pathlib import Path
from typing import Annotated

import typer

convert = typer.Typer(no_args_is_help=True, help="Bring weights of other projects into Limner's format.")

Source = Annotated[Path, typer.Argument(help="The released file; read as plain tensors, nothing in it is run.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The safetensors file to write.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(convert, name="convert")


@convert.callback()
def _group() -> None:
    """Without it a single sub-command would swallow its own name."""


@convert.command("transface")
def transface(source: Source, output: Output) -> None:
    """Convert the face encoder ms1mv2_model_TransFace_S.pt."""
    from limner.identity.transface import convert_transface

    header = convert_transface(source, output)
    typer.echo(f"{output}: {header.system} in the feature space {header.feature_space}, licence {header.licence}")
