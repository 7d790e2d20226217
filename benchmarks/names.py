"""Does an invented name give one face? Pictures of the same name at different seeds against pictures of other names.

    python benchmarks/names.py --shards people/shards

The captions of the first 200 generated people bear names; every sixteenth of them is held back from training, so those
names were never seen and show what a name does by itself. Other names are compared within a gender, since a name says
that too. The judge measures, at the miniature's own size; the base is drawn, no face is given.
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
from limner.data.captions import invented_name
from limner.data.shard_index import ShardIndex
from limner.data.variants import NUM_NAMED
from limner.evaluation.intervals import Measured, Table, mean, over_people, ratio
from limner.evaluation.measuring import Instruments
from limner.identity.judge import JudgeRecognizer

SEED, FIRST_SEED = 20261123, 900
PHOTOS = 3


def main(
    shards: Annotated[Path, typer.Option(help="Shards whose people bear the names.")] = Path("people/shards"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    names: Annotated[int, typer.Option(min=4, help="So many of training, and so many never seen.")] = 24,
    seeds: Annotated[int, typer.Option(min=2, help="Pictures of each name.")] = 4,
    write: Annotated[Path, typer.Option(help="Where the numbers go.")] = Path("out/names.json"),
) -> None:
    """Print one table and write it as JSON."""
    index = ShardIndex(shards)
    groups = {f"names of {split}": _named(index, split)[:names] for split in ("train", "validation")}
    studio, instruments = Studio.open(model, device="cpu"), Instruments(JudgeRecognizer())
    told: dict[str, dict[str, Measured]] = {}
    for group, people in groups.items():
        drawn = {one: _drawn(studio, instruments, one, seeds) for one in people}
        photos = {one: _photos(index, instruments, one) for one in people}
        told[group] = _measured(drawn, photos, {one: _is_man(index, one) for one in people})
    rows = [[group, *(_cell(one) for one in row.values())] for group, row in told.items()]
    print_table(f"{seeds} pictures of a name, cosines by the judge", ["", *next(iter(told.values()))], rows)
    with replacing(write) as unfinished:
        plain = {group: {name: vars(one) for name, one in row.items()} for group, row in told.items()}
        unfinished.write_text(json.dumps(plain, indent=1) + "\n")


def _named(index: ShardIndex, split: str) -> list[int]:
    """Numbers of the people who bear a name and are in a split, spread over all of them."""
    found = [int(person.rpartition("-")[2]) for person in index.people_in(split) if person.startswith("generated-")]
    bearing = [number for number in found if number < NUM_NAMED]
    return np.random.default_rng(SEED).permutation(bearing).tolist()


def _person(number: int) -> str:
    return f"generated-{number:05d}"


def _drawn(studio: Studio, instruments: Instruments, number: int, seeds: int) -> np.ndarray:
    """Embeddings ``(pictures, dim)`` of the name's pictures; seeds are the same for every name."""
    prompt = f"a photo of {invented_name(number)}"
    portraits = studio.portrait(None, prompt, seed=FIRST_SEED, count=seeds, adapter_scale=0)
    return _embedded(instruments, [one.image for one in portraits])


def _photos(index: ShardIndex, instruments: Instruments, number: int) -> np.ndarray:
    return _embedded(instruments, [index[record].image for record in index.people[_person(number)][:PHOTOS]])


def _embedded(instruments: Instruments, images: Sequence[np.ndarray]) -> np.ndarray:
    faces = [face.embedding for face in map(instruments.face_of, images) if face is not None]
    return np.stack(faces) if faces else np.zeros((0, 128), np.float32)


def _is_man(index: ShardIndex, number: int) -> bool:
    return index.facts(index.people[_person(number)][0])["male"] > 0.5


def _measured(
    drawn: Mapping[int, np.ndarray], photos: Mapping[int, np.ndarray], man: Mapping[int, bool]
) -> dict[str, Measured]:
    """Means over names, with intervals over names. Two pictures are only compared where their seeds differ."""
    columns: dict[str, list[float]] = defaultdict(list)
    for one in drawn:
        alike = [other for other in drawn if other != one and man[other] == man[one]]
        columns["same name"].append(_between(drawn[one], drawn[one]))
        columns["other name, same gender"].append(_mean([_between(drawn[one], drawn[other]) for other in alike]))
        columns["to the person's photos"].append(_all(drawn[one], photos[one]))
        columns["to another's photos"].append(_mean([_all(drawn[one], photos[other]) for other in alike]))
        columns["photos of one person"].append(_between(photos[one], photos[one]))
    table = {name: np.array(values) for name, values in columns.items()}
    means = {name: over_people({"x": v}, lambda t: mean(t["x"]), seed=SEED) for name, v in table.items()}
    return means | {"way to one face": over_people(table, _way, seed=SEED)}


def _way(table: Table) -> np.ndarray:
    """0: pictures of a name are as unlike as those of two names; 1: as alike as photos of one person."""
    floor = mean(table["other name, same gender"])
    return ratio(mean(table["same name"]) - floor, mean(table["photos of one person"]) - floor)


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
