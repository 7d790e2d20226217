"""``limner convert``: one sub-command per foreign format."""

from pathlib import Path
from typing import Annotated, Literal

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


Names = Annotated[
    Literal["released", "training"],
    typer.Option(help="Names in the foreign file: as published, or as the training code writes them."),
]
Export = Annotated[bool, typer.Option("--export", help="The other way: from Limner's format to the foreign names.")]


@convert.command("fact-adapter")
def fact_adapter(source: Source, output: Output, names: Names = "released", export: Export = False) -> None:
    """Convert an adapter file of FaceChain-FACT for Stable Diffusion 1.5."""
    from limner.apps.assembly import convert_fact, export_fact

    if export:
        typer.echo(f"{output}: {export_fact(source, output, layout=names)} tensors under the {names} names")
        return
    header = convert_fact(source, output, layout=names)
    typer.echo(f"{output}: {header.system} for {header.backbone}, licence {header.licence}")
