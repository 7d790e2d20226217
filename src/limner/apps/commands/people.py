"""``limner people``: the invented people who come with Limner, by name."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(people)


def people() -> None:
    """List people who do not exist: their names are good wherever a photo of a person is asked for, and in a prompt.

    Gender, age, skin tone, hair and glasses are what networks measured on their photos.
    """
    from limner.apps.tables import print_table
    from limner.data.invented_people import invented_people

    rows = [(one.name, one.gender, one.age, one.skin_tone, one.hair, one.glasses) for one in invented_people()]
    print_table(f"{len(rows)} invented people", ["name", "gender", "age", "skin tone", "hair", "glasses"], rows)
