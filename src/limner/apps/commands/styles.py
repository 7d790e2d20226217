"""``limner styles``: which looks there are, and how they look."""

from pathlib import Path
from typing import Annotated

import typer

from limner.apps import option_blocks, options
from limner.apps.option_blocks import Options, with_blocks
from limner.apps.styles import DEFAULT_SUBJECT, PACKAGED, all_styles
from limner.core.errors import ConfigError

THEME = "Only this theme: clothing, era, medium, place, profession, season, or a folder of your own."
FACE = "Who is drawn; the invented person whom the prompt names if not given, else the packaged example person."
PICTURES = "Draw every style that the model was taught words for into this folder, with a contact sheet."


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(styles)


@with_blocks(model=option_blocks.model)
def styles(
    *,
    theme: Annotated[str | None, typer.Option(help=THEME)] = None,
    styles: options.Styles = None,
    pictures: Annotated[Path | None, typer.Option(help=PICTURES)] = None,
    face: Annotated[list[Path] | None, typer.Option(help=FACE)] = None,
    prompt: Annotated[str, typer.Option(help="What every picture shows, in the style.")] = DEFAULT_SUBJECT,
    seed: options.Seed = 0,
    steps: options.Steps = None,
    scale: options.Scale = None,
    model: Options,
) -> None:
    """List the styles; with --pictures, draw a thumbnail of each."""
    from limner.apps.tables import print_table

    found = [one for one in all_styles(styles) if theme in (None, one.theme)]
    if not found:
        raise ConfigError(f"no style has the theme {theme!r}; `limner styles` lists them all")
    if pictures is None:
        rows = [
            (
                one.name,
                one.theme,
                one.style.title,
                one.style.base,
                _origin(one.path),
                "yes" if one.style.miniature else "",
            )
            for one in found
        ]
        print_table(f"{len(rows)} styles", ["name", "theme", "title", "base", "from", "miniature"], rows)
        return
    from limner.apps.portrait_job import Faces
    from limner.apps.style_pictures import StylePicturesJob, draw_styles

    dials = options.given(num_steps=steps, adapter_scale=scale)
    job = StylePicturesJob(
        found,
        Faces.given(face or [], None, prompt),
        prompt,
        seed,
        dials,
        styles,
        **model,
    )
    names = draw_styles(job, pictures)
    typer.echo(f"{len(names)} of {len(found)} styles drawn; all together: {pictures / 'contact-sheet.png'}")


def _origin(path: Path) -> str:
    return "limner" if path.is_relative_to(PACKAGED) else str(path.parent)
