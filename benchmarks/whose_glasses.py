"""Does a portrait wear glasses as the photo does, where the sentence does not speak of them? By the words alone, and as
`limner portrait` draws.

    python benchmarks/whose_glasses.py --shards unseen/shards   # `limner data synthesize --seed 2 --people 250 ...`

Taken are the first people who wear glasses in all of their photos, and as many who wear none in any. The first photo is
given; the judge compares with the others.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from limner.apps.studio import Studio
from limner.apps.tables import print_table
from limner.core.errors import ConfigError
from limner.core.files import replacing
from limner.data.bins import bins_of
from limner.data.shard_index import ShardIndex
from limner.evaluation.intervals import Measured, mean, over_people
from limner.evaluation.measuring import FaceFacts, Instruments
from limner.evaluation.preservation import change, either_face
from limner.identity.judge import JudgeRecognizer

SEED, FIRST_SEED = 20261130, 500
Worn = Literal["yes", "no"]
Told = dict[str, Measured]


def main(
    shards: Annotated[Path, typer.Option(help="People whom no training saw.")] = Path("unseen/shards"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    people: Annotated[int, typer.Option(min=2, help="So many with glasses, and so many without.")] = 8,
    seeds: Annotated[int, typer.Option(min=2, help="Pictures of each.")] = 2,
    write: Annotated[Path, typer.Option(help="Where the numbers go.")] = Path("out/whose-glasses.json"),
) -> None:
    """Print a table and write it as JSON."""
    index = ShardIndex(shards)
    studio, instruments = Studio.open(model, device="cpu"), Instruments(JudgeRecognizer())
    told: dict[str, Told] = {}
    for worn in ("yes", "no"):
        chosen = wearers(index, worn)[:people]
        if len(chosen) < people:
            raise ConfigError(f"{shards} has {len(chosen)} people of glasses={worn}; {people} are needed")
        columns: dict[str, list[dict[str, float]]] = defaultdict(list)
        for records in chosen:
            for way, measured in _one(studio, instruments, index, records, worn, seeds).items():
                columns[way].append(measured)
        told |= {f"glasses in the photo: {worn}; {way}": _means(rows) for way, rows in columns.items()}
    rows = [[name, *(f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in row.values())]
            for name, row in told.items()]  # fmt: skip
    print_table(f"{people} and {people} people, {seeds} seeds", ["", *next(iter(told.values()))], rows)
    with replacing(write) as unfinished:
        plain = {name: {column: vars(one) for column, one in row.items()} for name, row in told.items()}
        unfinished.write_text(json.dumps(plain, indent=1) + "\n")


def wearers(index: ShardIndex, worn: Worn) -> list[list[int]]:
    """The records of people who wear glasses in all of their photos, or in none, in the order of the shards."""
    several = (records for records in index.people.values() if len(records) > 1)
    return [records for records in several if {bins_of(index.facts(one))["glasses"] for one in records} == {worn}]


def _one(
    studio: Studio, instruments: Instruments, index: ShardIndex, records: Sequence[int], worn: Worn, seeds: int
) -> dict[str, dict[str, float]]:
    """What was measured on one person's pictures, by the way of drawing."""
    male = index.facts(records[0])["male"]
    sentence = f"a photo of a {'man' if male > 0.5 else 'woman'}"
    others = [face for face in (instruments.face_of(index[one].image) for one in records[1:]) if face is not None]
    identity = studio.identity(index[records[0]].image)

    def drawn(**settings: Any) -> list[np.ndarray]:
        person = None if settings.get("adapter_scale") == 0 else identity
        return [one.image for one in studio.portrait(person, sentence, seed=FIRST_SEED, count=seeds, **settings)]

    base = drawn(adapter_scale=0)
    apart = float(np.mean([_difference(a, b) for n, a in enumerate(base) for b in base[n + 1 :]]))
    faces = [instruments.face_of(image) for image in base]
    found = {}
    for way, glasses in (("by the words alone", "words"), ("as on the photo", "photo")):
        pictures = drawn(glasses=glasses)
        seen = [instruments.face_of(image) for image in pictures]
        triples = list(zip(base, faces, pictures, seen, strict=True))
        found[way] = {
            "worn as on the photo": float(np.mean([one is not None and one.traits.glasses == worn for one in seen])),
            "judge's similarity to other photos": float(np.nanmean([_alike(one, others) for one in seen])),
            "change beside the face": float(np.nanmean([_beside(*one) for one in triples])) / apart,
        }
    return found


def _beside(base: np.ndarray, face: FaceFacts | None, made: np.ndarray, seen: FaceFacts | None) -> float:
    mask = either_face(face and face.mask, seen and seen.mask)
    return float("nan") if mask is None else change(base, made, mask)[1]


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return change(one, other, np.zeros(one.shape[:2], bool))[1]


def _alike(face: FaceFacts | None, others: Sequence[FaceFacts]) -> float:
    return float("nan") if face is None else float(np.mean([face.embedding @ one.embedding for one in others]))


def _means(rows: Sequence[dict[str, float]]) -> Told:
    return {
        column: over_people({"x": np.array([row[column] for row in rows])}, lambda t: mean(t["x"]), seed=SEED)
        for column in rows[0]
    }


if __name__ == "__main__":
    typer.run(main)
