"""Does an invented name give one face? Pictures of the same name at different seeds against pictures of other names.

    python benchmarks/names.py --shards people/shards

Drawn is what `limner portrait` draws of a sentence that names somebody: the packaged photo is shown, and the base reads
"a woman" or "a man". So other names are compared within a gender. The judge measures, at the miniature's own size, also
against other photos of the person than the packaged one, which is the only one that is shown.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from limner.apps.studio import Studio
from limner.apps.tables import print_table
from limner.core.files import replacing
from limner.data.bins import UNKNOWN
from limner.data.invented_people import InventedPerson, invented_people, photo_of
from limner.data.shard_index import ShardIndex
from limner.evaluation.intervals import Measured, Table, mean, over_people, ratio
from limner.evaluation.measuring import Instruments
from limner.identity.judge import JudgeRecognizer

SEED, FIRST_SEED = 20261123, 900
PHOTOS = 3


def main(
    shards: Annotated[Path, typer.Option(help="Shards of the people who bear the names.")] = Path("people/shards"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    names: Annotated[int, typer.Option(min=4, help="How many, drawn by lot.")] = 24,
    seeds: Annotated[int, typer.Option(min=2, help="Pictures of each name.")] = 4,
    write: Annotated[Path, typer.Option(help="Where the numbers go.")] = Path("out/names.json"),
) -> None:
    """Print a table and write it as JSON."""
    index = ShardIndex(shards)
    # Who has one photo only cannot be compared with another one.
    known = [one for one in invented_people() if len(index.people.get(one.person, [])) > 1 and one.gender != UNKNOWN]
    people = [known[place] for place in np.random.default_rng(SEED).permutation(len(known))[:names]]
    studio, instruments = Studio.open(model, device="cpu"), Instruments(JudgeRecognizer())
    photos = {one: _photos(index, instruments, one) for one in people}
    told = _measured({one: _drawn(studio, instruments, one, seeds) for one in people}, photos)
    title = f"{len(people)} names, {seeds} pictures of each, cosines by the judge"
    print_table(title, ["", "mean [middle 95 % over names]"], [[name, _cell(one)] for name, one in told.items()])
    with replacing(write) as unfinished:
        unfinished.write_text(json.dumps({name: vars(one) for name, one in told.items()}, indent=1) + "\n")


def _drawn(studio: Studio, instruments: Instruments, one: InventedPerson, seeds: int) -> np.ndarray:
    """Embeddings ``(pictures, dim)`` of the name's pictures; seeds are the same for every name."""
    person = studio.identity(photo_of(one.name))
    portraits = studio.portrait(person, f"a photo of {one.name}", seed=FIRST_SEED, count=seeds)
    return _embedded(instruments, [portrait.image for portrait in portraits])


def _photos(index: ShardIndex, instruments: Instruments, one: InventedPerson) -> np.ndarray:
    """The packaged one, as it is in the shards, comes first."""
    return _embedded(instruments, [index[record].image for record in index.people[one.person][:PHOTOS]])


def _embedded(instruments: Instruments, images: Sequence[np.ndarray]) -> np.ndarray:
    faces = [face.embedding for face in map(instruments.face_of, images) if face is not None]
    return np.stack(faces) if faces else np.zeros((0, 128), np.float32)


def _measured(
    drawn: Mapping[InventedPerson, np.ndarray], photos: Mapping[InventedPerson, np.ndarray]
) -> dict[str, Measured]:
    """Means over names, with intervals over names. Two pictures are only compared where their seeds differ."""
    columns: dict[str, list[float]] = defaultdict(list)
    for one in drawn:
        alike = [other for other in drawn if other != one and other.gender == one.gender]
        columns["same name"].append(_between(drawn[one], drawn[one]))
        columns["other name, same gender"].append(_mean([_between(drawn[one], drawn[other]) for other in alike]))
        columns["to other photos of the person"].append(_all(drawn[one], photos[one][1:]))
        columns["to another's photos"].append(_mean([_all(drawn[one], photos[other]) for other in alike]))
        columns["photos of one person"].append(_between(photos[one], photos[one]))
        columns["photos of two, same gender"].append(_mean([_all(photos[one], photos[other]) for other in alike]))
    table = {name: np.array(values) for name, values in columns.items()}
    means = {name: over_people({"x": v}, lambda t: mean(t["x"]), seed=SEED) for name, v in table.items()}
    ways = {"way to one face": _way, "way to the person": _way_to_the_person}
    return means | {name: over_people(table, way, seed=SEED) for name, way in ways.items()}


def _way(table: Table) -> np.ndarray:
    """0: pictures of a name are as unlike as those of two names; 1: as alike as photos of one person."""
    floor = mean(table["other name, same gender"])
    return ratio(mean(table["same name"]) - floor, mean(table["photos of one person"]) - floor)


def _way_to_the_person(table: Table) -> np.ndarray:
    """0: pictures are as unlike the person's other photos as strangers' are; 1: as alike as photos of one person."""
    floor = mean(table["photos of two, same gender"])
    return ratio(mean(table["to other photos of the person"]) - floor, mean(table["photos of one person"]) - floor)


def _between(first: np.ndarray, second: np.ndarray) -> float:
    """Mean cosine of pictures at different places of the two lists."""
    cosines = first @ second.T
    apart = ~np.eye(*cosines.shape, dtype=bool)
    return float(cosines[apart].mean()) if apart.any() else float("nan")


def _all(first: np.ndarray, second: np.ndarray) -> float:
    return float((first @ second.T).mean()) if len(first) and len(second) else float("nan")


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _cell(one: Measured) -> str:
    return f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"


if __name__ == "__main__":
    typer.run(main)
