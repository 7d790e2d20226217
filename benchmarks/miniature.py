"""The embedded model's table: likeness by the judge, copy-paste, agreement with the words, faces found.

    python benchmarks/miniature.py --shards SHARDS --real ../shared/data/celeba-wild -o out/table

People: the validation split of the shards (generated) and, with ``--real``, a packed set of real people that took no
part in training. Their pictures are measured and thrown away; the contact sheet shows generated people only.

Roles: the guide (MobileFaceNet) taught the encoder and filtered the data; the judge (dlib ResNet) did neither.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.progress import Progress

from limner import Studio
from limner.apps.contact_sheet import Tile, contact_sheet
from limner.data.captions import Traits, describe
from limner.data.measuring import PictureMeasurer
from limner.data.photo_sets import read_photos
from limner.data.record import read_shards
from limner.evaluation.agreement import measure_agreement, prompt_for
from limner.evaluation.likeness import PersonScores, measure_likeness
from limner.faces.detection import select_face
from limner.identity.judge import JudgeRecognizer

WISHES = (
    Traits(expression="smiling"),
    Traits(expression="serious"),
    Traits(direction="left", background="blue"),
    Traits(direction="right", background="green"),
    Traits(glasses="yes"),
    Traits(hair="black", background="white"),
)
"""What is asked of every person, with the person's gender added."""


@dataclass
class Person:
    """``photos`` RGB uint8, the first is the reference; ``gender`` a word of the grammar or None."""

    name: str
    photos: list[np.ndarray]
    gender: str | None


def generated_people(shards: Path) -> list[Person]:
    people: dict[str, Person] = {}
    for record in read_shards(shards):
        if record.split == "validation":
            person = people.setdefault(record.person, Person(record.person, [], _gender(record.male)))
            person.photos.append(record.image)
    return [person for person in people.values() if len(person.photos) > 1]


def real_people(folder: Path, measurer: PictureMeasurer, *, photos: int, limit: int) -> list[Person]:
    grouped: dict[str, list[np.ndarray]] = defaultdict(list)
    for _, image, about in read_photos(folder):
        if not about["attributes"].get("gray") and len(grouped[about["identity"]]) < photos:
            grouped[about["identity"]].append(cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC))
    people = []
    for name, images in sorted(grouped.items()):
        measured = measurer.measure(images[0]) if len(images) > 1 and len(people) < limit else None
        if measured is not None:
            people.append(Person(name, images, _gender(measured.age_gender.male)))
    return people


def _gender(male: float) -> str | None:
    return "man" if male > 0.7 else "woman" if male < 0.3 else None


class Judge:
    """The judge's embeddings of whole pictures; None where no face is found."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.recognizer = studio, JudgeRecognizer()

    def __call__(self, images: Iterable[np.ndarray]) -> list[np.ndarray | None]:
        found: list[np.ndarray | None] = []
        for image in images:
            large = cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC)
            faces = self.studio.analyzer.detect(large)
            if not faces:
                found.append(None)
                continue
            chip = self.recognizer.align(large, select_face(faces))
            found.append(self.recognizer.embed([chip]).vector[0])
        return found


def draw(studio: Studio, person: Person, scale: float, seed: int, steps: int) -> list[np.ndarray]:
    identity = studio.identity([person.photos[0]])
    return [
        studio.portrait(
            identity,
            prompt_for(Traits(**{**asdict(wish), "gender": person.gender})),
            seed=seed + number,
            adapter_scale=scale,
            num_steps=steps,
        )[0].image
        for number, wish in enumerate(WISHES)
    ]


def evaluate(
    studio: Studio, people: list[Person], judge: Judge, measurer: PictureMeasurer, arguments: argparse.Namespace
) -> dict:
    scores, asked, seen, base_seen, found, base_found, sheets = [], [], [], [], [], [], []
    with Progress() as progress:
        task = progress.add_task("people", total=len(people))
        for number, person in enumerate(people):
            seed = arguments.seed * 100_000 + number * 100
            pictures = draw(studio, person, arguments.scale, seed, arguments.steps)
            base = draw(studio, person, 0.0, seed, arguments.steps)
            photos, generated = judge(person.photos), judge(pictures)
            known = [row for row in generated if row is not None]
            others = [row for row in photos[1:] if row is not None]
            if photos[0] is not None and others and known:
                scores.append(PersonScores(photos[0], np.stack(others), np.stack(known)))
            asked.append([Traits(**{**asdict(wish), "gender": person.gender}) for wish in WISHES])
            seen.append([traits_of(measurer, picture) for picture in pictures])
            base_seen.append([traits_of(measurer, picture) for picture in base])
            found += [row is not None for row in generated]
            base_found += [traits is not None for traits in base_seen[-1]]
            sheets.append((person.photos[0], pictures))
            progress.update(task, completed=number + 1)
    return {
        "people": len(people),
        "pictures": len(found),
        "likeness": asdict(measure_likeness(scores, seed=0)),
        "agreement": asdict(measure_agreement(asked, seen, seed=0)),
        "agreement_base": asdict(measure_agreement(asked, base_seen, seed=0)),
        "faces_found": float(np.mean(found)),
        "faces_found_base": float(np.mean(base_found)),
        "sheets": sheets,
    }


def traits_of(measurer: PictureMeasurer, picture: np.ndarray) -> Traits | None:
    measured = measurer.measure(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC))
    if measured is None:
        return None
    return describe(measured.numbers, age_years=measured.age_gender.years, male=measured.age_gender.male)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="miniature")
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--scale", type=float, default=0.8)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    studio, measurer = Studio.open(arguments.model), PictureMeasurer()
    judge, started, report = Judge(studio), time.time(), {}
    groups = {"generated": generated_people(arguments.shards)[: arguments.people]}
    if arguments.real:
        groups["real"] = real_people(arguments.real, measurer, photos=4, limit=arguments.people)
    for name, people in groups.items():
        report[name] = evaluate(studio, people, judge, measurer, arguments)
        sheets = report[name].pop("sheets")
        if name == "generated":
            rows = [
                contact_sheet([Tile(reference, "reference")], [Tile(p, "") for p in pictures])
                for reference, pictures in sheets[:12]
            ]
            Image.fromarray(np.concatenate(rows)).save(arguments.output / "people.png")
    report["roles"] = {"guide": "mobilefacenet-faceplugin", "judge": judge.recognizer.feature_space}
    report["minutes"] = round((time.time() - started) / 60, 1)
    (arguments.output / "table.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
