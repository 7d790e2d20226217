"""What each word of the miniature's grammar does: a picture per word, and how often the word is followed.

    python benchmarks/words.py --write docs

Every cell of a sheet has the same seed, so that what differs is the word. Each word is drawn with the same seeds,
without a face, and the face's numbers are turned into words by the functions that captioned the training pictures (the
captions' own ruler); direction and gender are also asked of classifiers that no training has seen (--classifiers). The
share with the word stands beside the share of the same seeds without it: what the word adds is the difference. Words
outside the grammar are tried too. A picture that the rules of safety refuse is shown grey and has no face. Counts of
each group are kept in --work, so a stopped run goes on.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from limner.apps.contact_sheet import Tile, contact_sheet
from limner.apps.evaluation_instruments import open_instruments
from limner.apps.portraits import Order
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.errors import RefusedError
from limner.core.files import replacing
from limner.data.captions import WORDS, Traits
from limner.evaluation.agreement import prompt_for
from limner.evaluation.classifiers import TRAITS as INDEPENDENT
from limner.evaluation.feature_network import perceptual_distance
from limner.evaluation.intervals import mean, over_people
from limner.evaluation.measuring import Instruments, PictureFacts
from limner.identity.recognition import JUDGE_SPACE

FIRST_SEED, SHOWN = 40, 2
"""Of all words; so many pictures of each are shown."""
PLAIN = Traits()
GROUPS = {
    "people": ("gender", "age"), "expressions": ("expression",), "head": ("direction", "tilt"),
    "hair": ("hair", "length"), "worn": ("glasses", "hat"), "light": ("light",), "backgrounds": ("background",),
    "styles": ("style",),
}  # fmt: skip
"""Sheets, and the traits on each."""
UNKNOWN = "unknown"
UNKNOWN_WORDS = ("astronaut", "zebra", "on the moon", "qwertz", "riding a bicycle", "made of glass")
"""None of them occurs in a caption."""
KNOWN_WORD = "smiling"
"""To compare with."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One word: what was asked, and the pictures of all seeds."""

    trait: str
    value: str
    prompt: str
    facts: list[PictureFacts]


def main(
    write: Annotated[
        Path | None, typer.Option(help="Write pictures/words-*.webp and the tables of miniature.md.")
    ] = None,
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    seeds: Annotated[int, typer.Option(min=2, help="Pictures of each word.")] = 12,
    classifiers: Annotated[Path | None, typer.Option(help="As for `limner evaluate`.")] = None,
    features: Annotated[Path | None, typer.Option(help="As for `limner evaluate`.")] = None,
    work: Annotated[Path, typer.Option(help="Sheets and counts of groups that are done.")] = Path("out/words"),
) -> None:
    """Draw what is missing, print the tables, and write them into the document if asked."""
    work.mkdir(parents=True, exist_ok=True)
    missing = [group for group in (*GROUPS, UNKNOWN) if not (work / f"{group}.json").exists()]
    if missing:
        studio = Studio.open(model, device="cpu")
        instruments, _ = open_instruments(JUDGE_SPACE, features=features, classifiers=classifiers)
        plain = _cell(studio, instruments, "", "", PLAIN, seeds)
        for group in missing:
            told = _unknown(studio, instruments, plain, seeds) if group == UNKNOWN else _group(
                studio, instruments, group, plain, seeds, work
            )  # fmt: skip
            with replacing(work / f"{group}.json") as unfinished:
                unfinished.write_text(json.dumps(told, indent=1) + "\n")
            typer.echo(_table(group, told))
    told = {group: json.loads((work / f"{group}.json").read_text()) for group in (*GROUPS, UNKNOWN)}
    if write is not None:
        _write(write, told, work)
    typer.echo("\n".join(_table(group, rows) for group, rows in told.items()))


def _cell(
    studio: Studio, instruments: Instruments, trait: str, value: str, traits: Traits, seeds: int, prompt: str = ""
) -> Cell:
    prompt = prompt or prompt_for(traits)
    asked = [PortraitSettings.of(prompt=prompt, seed=FIRST_SEED + seed, adapter_scale=0) for seed in range(seeds)]
    drawn = studio.draw_together([Order(None, settings) for settings in asked])
    blank = np.full((studio.pixels, studio.pixels, 3), 128, np.uint8)
    images = [blank if isinstance(one, RefusedError) else one[0].image for one in drawn]
    return Cell(trait, value, prompt, instruments.look(images))


def _group(
    studio: Studio, instruments: Instruments, group: str, plain: Cell, seeds: int, work: Path
) -> list[dict[str, Any]]:
    """Rows of a group's table; its sheet is written beside."""
    cells = [
        _cell(studio, instruments, trait, value, replace(PLAIN, **{trait: value}), seeds)
        for trait in GROUPS[group]
        for value in WORDS[trait]
        if replace(PLAIN, **{trait: value}) != PLAIN
    ]
    named = [("nothing said", plain), *((_words(cell.trait, cell.value)[0], cell) for cell in cells)]
    tiles = [Tile(np.hstack([one.image for one in cell.facts[:SHOWN]]), name) for name, cell in named]
    sheet = contact_sheet([], tiles, title=f"miniature, no face given, seeds {FIRST_SEED} and {FIRST_SEED + 1}")
    with replacing(work / f"words-{group}.webp") as unfinished:
        Image.fromarray(sheet).save(unfinished, "WEBP", quality=72, method=6)
    return [_row(cell, plain) for cell in cells]


def _row(cell: Cell, plain: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {"words": list(_words(cell.trait, cell.value)), "prompt": cell.prompt}
    for name, seen in (("ruler", _seen), ("independent", _judged)):
        for which, facts in (("with", cell.facts), ("without", plain.facts)):
            verdicts = [seen(one, cell.trait) for one in facts]
            told = [verdict == cell.value for verdict in verdicts if verdict is not None]
            row[f"{name}, {which}"] = [sum(told), len(told)]
    row["faces"] = [sum(one.face is not None for one in cell.facts), len(cell.facts)]
    return row


def _seen(facts: PictureFacts, trait: str) -> str | None:
    """The captions' word for the picture; a face that is not there shows nothing of what was asked."""
    if trait == "style":
        return None
    return "" if facts.face is None else getattr(facts.face.traits, trait)


def _judged(facts: PictureFacts, trait: str) -> str | None:
    if trait not in INDEPENDENT or facts.face is None or facts.face.verdicts is None:
        return None
    return getattr(facts.face.verdicts, trait)


def _unknown(studio: Studio, instruments: Instruments, plain: Cell, seeds: int) -> list[dict[str, Any]]:
    """How far a word that was in no caption moves the picture, over how far another seed moves it."""
    rows = []
    other_seed = _moved(plain.facts, [*plain.facts[1:], plain.facts[0]])
    for word in (KNOWN_WORD, *UNKNOWN_WORDS):
        cell = _cell(studio, instruments, "", word, PLAIN, seeds, f"{prompt_for(PLAIN)}, {word}")
        share = over_people(
            {"moved": _moved(cell.facts, plain.facts) / other_seed.mean()}, lambda t: mean(t["moved"]), seed=FIRST_SEED
        )
        rows.append({
            "word": word + (" (known)" if word == KNOWN_WORD else ""), "prompt": cell.prompt,
            "moved": [share.value, share.low, share.high],
            "faces": [sum(one.face is not None for one in cell.facts), len(cell.facts)],
        })  # fmt: skip
    return rows


def _moved(first: Sequence[PictureFacts], second: Sequence[PictureFacts]) -> np.ndarray:
    """Perceptual distance of each picture to its counterpart; of pixels without a feature network."""
    apart = []
    for a, b in zip(first, second, strict=True):
        if a.maps is None or b.maps is None:
            apart.append(float(np.abs(a.image.astype(float) - b.image).mean()))
        else:
            apart.append(float(perceptual_distance(a.maps, b.maps)[0]))
    return np.array(apart)


def _words(trait: str, value: str) -> tuple[str, ...]:
    words = WORDS[trait][value]
    return tuple(word.removesuffix(" of") for word in words) if trait == "style" else words


def _table(group: str, rows: list[dict[str, Any]]) -> str:
    """A markdown table of a group."""
    return "\n".join(_unknown_lines(rows) if group == UNKNOWN else _word_lines(rows)) + "\n"


def _word_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| words | followed | without the word | independent: followed | without | faces |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        names = [f"{name}, {which}" for name in ("ruler", "independent") for which in ("with", "without")]
        cells = [", ".join(row["words"]), *(_share(*row[name]) for name in names), _share(*row["faces"])]
        yield f"| {' | '.join(cells)} |"


def _unknown_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "| added to the sentence | change, over that of another seed | faces |"
    yield "|---|---|---|"
    for row in rows:
        value, low, high = row["moved"]
        yield f"| {row['word']} | {value:.2f} [{low:.2f}, {high:.2f}] | {_share(*row['faces'])} |"


def _share(right: int, asked: int) -> str:
    return f"{right}/{asked}" if asked else "-"


def _sheet(group: str) -> str:
    if group == UNKNOWN:
        return ""
    return f"![The words of this table, drawn with the same seeds](pictures/words-{group}.webp)\n\n"


def _write(docs: Path, told: dict[str, list[dict[str, Any]]], work: Path) -> None:
    """Put sheets and tables into place, each between two comments that name its group."""
    (docs / "pictures").mkdir(parents=True, exist_ok=True)
    page = docs / "miniature.md"
    text = page.read_text(encoding="utf-8")
    for group, rows in told.items():
        begin, end = f"<!-- {group} -->\n", f"<!-- end of {group} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}{_sheet(group)}{_table(group, rows)}{end}{rest.split(end)[1]}"
        if group != UNKNOWN:
            with replacing(docs / "pictures" / f"words-{group}.webp") as unfinished:
                unfinished.write_bytes((work / f"words-{group}.webp").read_bytes())
    with replacing(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
