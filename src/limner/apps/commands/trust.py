"""``limner trust``: people who opted out, consents taken back, the audit log, which rules hold."""

from pathlib import Path
from typing import Annotated

import typer

group = typer.Typer(no_args_is_help=True, help="Opt-outs, consents, the audit log, and which rules hold.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(group, name="trust")


@group.command()
def opt_out(
    photos: Annotated[list[Path], typer.Argument(help="Photos of the person, or one identity card.")],
    face: Annotated[list[int] | None, typer.Option(help="Which face, 0 the leftmost; the largest by default.")] = None,
) -> None:
    """Put a person on the list of those who are not drawn; the photos are not kept, only numbers of the face."""
    from limner.apps.guard import SAME_PERSON
    from limner.apps.portrait_job import CARD_SUFFIX
    from limner.identity.identity import Identity
    from limner.identity.recognition import GuideRecognizer
    from limner.trust import opt_outs

    if photos[0].suffix == CARD_SUFFIX:
        person = Identity.load(photos[0])
    else:
        person = Identity.from_photos(photos, face_index=face, recognizers=[GuideRecognizer()])
    embeddings = {space: person.features_in(space).embedding.numpy() for space in SAME_PERSON}
    typer.echo(f"{opt_outs.opt_out(embeddings)} people are on the list.")


@group.command()
def revoke(card: Annotated[Path, typer.Argument(help="The person's identity card, .safetensors.")]) -> None:
    """Take a consent back: the card says so, and every copy of it is refused on this computer."""
    from dataclasses import replace

    from limner.core.errors import ConsentError
    from limner.identity.identity import Identity
    from limner.trust import consent

    person = Identity.load(card)
    if person.consent is None:
        raise ConsentError(f"{card} holds no consent that could be taken back; delete the card")
    replace(person, consent=consent.revoke(person.consent)).save(card)
    typer.echo(f"{card} and its copies are refused from now on.")


@group.command()
def log(last: Annotated[int, typer.Option(help="How many lines, the newest last.")] = 20) -> None:
    """Show the audit log and say whether it is whole."""
    from limner.apps.tables import print_table
    from limner.trust import audit

    lines = audit.read_log()
    rows = []
    for line in lines[-last:]:
        about = {name: value for name, value in line.items() if name not in ("when", "event", "before")}
        rows.append((line["when"], line["event"], ", ".join(f"{name} {value}" for name, value in about.items())))
    print_table(str(audit.audit_path()), ["when", "event", "about"], rows)
    typer.echo(f"{len(lines)} lines, none changed or taken out.")


@group.command()
def settings() -> None:
    """Show which marks and rules are on, and the file that switches them."""
    from limner.apps.tables import print_table
    from limner.trust.folder import data_folder
    from limner.trust.settings import NAME, TrustSettings

    rows = [(name, "on" if on else "OFF") for name, on in TrustSettings.current().model_dump().items()]
    print_table("Marks and rules", ["name", "state"], rows)
    typer.echo(f"Switched in {data_folder() / NAME}, or in the file that LIMNER_TRUST_SETTINGS names.")
