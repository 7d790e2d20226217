"""Which recogniser tells people apart best? All of them on the same photos, with intervals over people.

    python benchmarks/verification.py                         # guide and judge
    python benchmarks/verification.py --encoder out/encoder.safetensors

Needs ../shared/data and, for the judge, ``pip install 'limner[judge]'``. celeba-wild was cleaned with dlib's
recogniser, the judge's network, so the judge's figures there flatter it.
"""

import csv
import json
import tarfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from limner.apps.tables import print_table
from limner.core.images import read_image
from limner.evaluation.intervals import Measured
from limner.evaluation.verification import Pairs, Verification, measure_verification
from limner.faces.detection import FaceDetector, select_face
from limner.faces.face import Face
from limner.identity.encoder import EncoderRecognizer
from limner.identity.judge import JudgeRecognizer
from limner.identity.recognition import GuideRecognizer, IdentityEmbedding, Recognizer, distance, similarity

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEED = 20261122
PHOTOS_PER_PERSON = 8
SAME_PAIRS_PER_PERSON = 10
DIFFERENT_PAIRS_PER_PERSON = 80
FARS = (1e-2, 1e-3)


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos with one face each, and the pairs (left, right) of them to compare, by position."""

    name: str
    images: list[np.ndarray]
    faces: list[Face]
    people: np.ndarray
    pairs: np.ndarray


def main(
    encoder: Annotated[list[Path] | None, typer.Option(help="Checkpoint of a face transformer; repeatable.")] = None,
    only_encoders: Annotated[bool, typer.Option(help="Leave out guide and judge.")] = False,
    data: Annotated[Path, typer.Option(help="Folder of data sets.")] = SHARED_DATA,
) -> None:
    """Print verification figures of the guide, the judge and any encoder."""
    recognizers: list[Recognizer] = [] if only_encoders else [GuideRecognizer(), JudgeRecognizer()]
    recognizers += [EncoderRecognizer(path) for path in encoder or []]
    for photos in (read_lfw(data / "lfw-gray-pairs"), read_celeba(data / "celeba-wild")):
        rows = [row for recognizer in recognizers for row in measure(recognizer, photos)]
        people = len(np.unique(photos.people[photos.pairs]))
        title = f"{photos.name}: {len(photos.images)} photos, {people} people"
        columns = ["recogniser", "measure", "same / diff", "AUC", "accuracy"]
        columns += [f"TAR @ FAR {far:g}" for far in FARS] + [f"threshold @ {far:g}" for far in FARS] + ["ms a face"]
        print_table(title, columns, rows)


def read_lfw(folder: Path) -> Photos:
    """The 600 listed pairs; pairs with a photo in which no face is found are left out and counted."""
    detector = FaceDetector()
    images, faces, people, position = [], [], [], {}
    for key, image, about in samples(folder):
        found = detector.detect(image)
        if not found:
            typer.echo(f"{key}: no face found")
            continue
        position[key] = len(images)
        images.append(image)
        faces.append(select_face(found))
        people.append(about["identity"])
    with (folder / "pairs.csv").open(newline="") as file:
        listed = [(row["a"], row["b"]) for row in csv.DictReader(file)]
    pairs = [(position[a], position[b]) for a, b in listed if a in position and b in position]
    typer.echo(f"{folder.name}: {len(listed) - len(pairs)} of {len(listed)} pairs left out")
    return Photos(folder.name, images, faces, _numbered(people), np.array(pairs))


def read_celeba(folder: Path) -> Photos:
    """Pairs drawn per person with a fixed seed; boxes and landmarks are those stored with the data."""
    images, faces, people = [], [], []
    count: dict[str, int] = defaultdict(int)
    for _, image, about in samples(folder):
        person = about["identity"]
        count[person] += 1
        if count[person] <= PHOTOS_PER_PERSON:
            images.append(image)
            landmarks = np.array(about["landmarks"], dtype=np.float32)
            faces.append(Face(tuple(about["face_box"]), landmarks, about["det_score"]))
            people.append(person)
    numbers = _numbered(people)
    return Photos(folder.name, images, faces, numbers, _drawn_pairs(numbers))


def samples(folder: Path) -> Iterator[tuple[str, np.ndarray, dict]]:
    """Key, RGB picture and record of every sample in the folder's archives."""
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            content = {member.name: archive.extractfile(member) for member in archive}
            for name in sorted(content):
                record = content.get(f"{Path(name).stem}.json")
                picture = content[name]
                if name.endswith(".jpg") and record is not None and picture is not None:
                    image = read_image(picture.read())
                    yield Path(name).stem, image, json.loads(record.read())


def measure(recognizer: Recognizer, photos: Photos) -> list[list[str]]:
    """One row for the cosine and, for the judge, one for the distance it was trained with."""
    started = time.perf_counter()
    aligned = [recognizer.align(*photo) for photo in zip(photos.images, photos.faces, strict=True)]
    embedded = recognizer.embed(aligned)
    milliseconds = f"{1000 * (time.perf_counter() - started) / len(aligned):.0f}"
    left, right = (_rows(embedded, photos.pairs[:, side]) for side in (0, 1))
    scores = {"cosine": similarity(left, right)}
    if recognizer.role == "judge":
        scores["distance"] = -distance(left, right)
    people = photos.people[photos.pairs]
    same = people[:, 0] == people[:, 1]
    results = {
        name: measure_verification(Pairs(score, same, people), seed=SEED, fars=FARS) for name, score in scores.items()
    }
    return [[recognizer.feature_space, name, *_cells(result), milliseconds] for name, result in results.items()]


def _rows(embedded: IdentityEmbedding, positions: np.ndarray) -> IdentityEmbedding:
    return IdentityEmbedding(embedded.space, embedded.vector[positions], embedded.norm[positions])


def _cells(result: Verification) -> list[str]:
    def told(measured: Measured) -> str:
        if np.isnan(measured.value):
            return "too few pairs"
        return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"

    cells = [f"{result.num_same} / {result.num_different}", told(result.auc), f"{result.accuracy:.3f}"]
    cells += [told(result.tar[far]) for far in FARS]
    return cells + ["-" if np.isnan(at := result.threshold[far]) else f"{at:.3f}" for far in FARS]


def _numbered(people: list[str]) -> np.ndarray:
    return np.unique(people, return_inverse=True)[1]


def _drawn_pairs(people: np.ndarray) -> np.ndarray:
    generator = np.random.default_rng(SEED)
    pairs: set[tuple[int, int]] = set()
    for person in np.unique(people):
        own, others = np.flatnonzero(people == person), np.flatnonzero(people != person)
        within = [(int(a), int(b)) for a in own for b in own if a < b]
        chosen = generator.permutation(len(within))[:SAME_PAIRS_PER_PERSON]
        pairs.update(within[index] for index in chosen)
        for _ in range(DIFFERENT_PAIRS_PER_PERSON):
            a, b = int(generator.choice(own)), int(generator.choice(others))
            pairs.add((min(a, b), max(a, b)))
    return np.array(sorted(pairs))


if __name__ == "__main__":
    typer.run(main)
