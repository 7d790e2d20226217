"""``limner mix``: people in, the identity card of somebody between them out."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import options
from limner.core.errors import ConfigError

WEIGHT = "How much each counts, once each; all alike if not given."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(mix)


def mix(
    people: Annotated[list[Path], typer.Argument(help="A photo, an identity card or the invented name of each.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The identity card to write, .safetensors.")],
    weight: Annotated[list[float] | None, typer.Option(help=WEIGHT)] = None,
    model: options.Model = "miniature",
    adapter: options.Adapter = None,
    encoder: options.Encoder = None,
    device: options.Device = None,
) -> None:
    """Make somebody who resembles several people; the card serves wherever a photo does."""
    if weight and len(weight) != len(people):
        raise ConfigError(f"{len(weight)} weights were given for {len(people)} people; give one for each")
    from limner.apps.model_choice import ModelChoice
    from limner.apps.portrait_job import Faces, identity_of
    from limner.identity.mixing import mix as mix_identities

    faces = [Faces.given([person], None) for person in people]
    studio = ModelChoice(model=model, adapter=adapter, encoder=encoder, device=device).open()
    mixed = mix_identities([identity_of(studio, one) for one in faces], weight or [1.0] * len(people))
    mixed.save(output)
    typer.echo(f"{output}: features in {', '.join(mixed.features)}")
