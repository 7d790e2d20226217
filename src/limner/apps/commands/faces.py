"""`limner faces`: which faces a photo has and how good they are."""

from pathlib import Path
from typing import Annotated

import typer

from limner.core.images import read_image, write_png


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(faces)


def faces(
    photo: Annotated[Path, typer.Argument(help="The photo to look at.")],
    face: Annotated[int | None, typer.Option(help="Show this face only; 0 is the leftmost.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Annotated PNG; PHOTO-faces.png in this folder by default.")
    ] = None,
) -> None:
    """Print a table of the faces in a photo and write the photo with boxes, landmarks and parsing drawn in."""
    from limner.apps.tables import print_table
    from limner.faces.analysis import FaceAnalyzer
    from limner.faces.detection import select_face
    from limner.faces.drawing import FACE_COLUMNS, draw_faces, face_rows

    image = read_image(photo)
    analyzer = FaceAnalyzer()
    found = analyzer.search(image).require()
    chosen = found if face is None else [select_face(found, face)]
    numbers = range(len(found)) if face is None else [face]
    analyses = [analyzer.analyze_face(image, one, num_faces=len(found)) for one in chosen]
    target = output or Path(f"{photo.stem}-faces.png")
    write_png(target, draw_faces(image, analyses, numbers=numbers))
    print_table(f"Faces of {photo.name}", FACE_COLUMNS, face_rows(analyses, numbers=numbers))
    typer.echo(f"The annotated picture is {target}.")
