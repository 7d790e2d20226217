"""Is a pose followed, and what does that cost the likeness? The model's own ControlNet on people whom no training saw.

    python benchmarks/pose.py --shards people/shards --write docs/howto-pose.md

Each generated person is drawn in the pose of the next one's photo, with the same seeds at every scale; scale 0 is the
model without the ControlNet. How far the drawn face is from the pose is told by the mesh whose lines the network is
shown, and by the head's angles; the judge compares with *another* photo of the person. 72 pictures of 12 steps and
their faces take about two minutes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from performance_page import as_table, circumstances, write_section

from limner.apps.control import Control
from limner.apps.studio import Studio
from limner.core.errors import ConfigError
from limner.data.shard_index import ShardIndex
from limner.evaluation.intervals import Measured, mean, over_people, paired_difference
from limner.evaluation.judges import open_judge
from limner.evaluation.measuring import enlarged
from limner.evaluation.people import people_of
from limner.evaluation.protocol import Person, protocol_named
from limner.faces.analysis import FaceAnalyzer
from limner.faces.detection import select_face
from limner.faces.face import Face
from limner.faces.pose import head_pose
from limner.identity.recognition import JUDGE_SPACE

SCALES = (0.0, 0.5, 1.0)
PROMPT = "a photo of a person"
SEED = 40
MEASURES = {
    "mesh": "distance of the meshes, % of the side",
    "yaw": "yaw off by, degrees",
    "pitch": "pitch off by, degrees",
    "likeness": "judge's similarity to another photo",
    "found": "faces found",
}


class Ruler:
    """What is seen of one face."""

    def __init__(self) -> None:
        self.analyzer, self.judge = FaceAnalyzer(), open_judge(JUDGE_SPACE)

    def found(self, image: np.ndarray) -> tuple[np.ndarray, Face] | None:
        """The picture at a size that can be measured, and its largest face."""
        large = enlarged(image)
        faces = self.analyzer.detect(large)
        return (large, select_face(faces)) if faces else None

    def mesh(self, image: np.ndarray, face: Face) -> np.ndarray:
        return self.analyzer.mesh(image, face)

    def embedding(self, image: np.ndarray, face: Face) -> np.ndarray:
        return self.judge.embed([self.judge.align(image, face)]).vector[0]


def main(
    shards: Annotated[Path, typer.Option(help="Shards; validation people are drawn.")] = Path("people/shards"),
    model: Annotated[str, typer.Option(help="As for `limner portrait`.")] = "miniature",
    people: Annotated[int, typer.Option(min=2)] = 12,
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    steps: Annotated[int, typer.Option(min=1)] = 12,
    write: Annotated[Path | None, typer.Option(help="Page whose section is replaced.")] = None,
) -> None:
    """Measure, print, and write."""
    studio = Studio.open(model)
    chosen = people_of(ShardIndex(shards), protocol_named("quick", people=people))
    if not all(person.generated for person in chosen):
        raise ConfigError(f"{shards} has people who exist; draw generated ones only")
    text = told(measure(studio, chosen, Ruler(), seeds=seeds, steps=steps))
    typer.echo(text)
    if write is not None:
        record = circumstances(studio.pipeline.device.type)
        write_section(write, "measured pose", record, text, ["benchmarks/pose.py", *sys.argv[1:]])


def measure(
    studio: Studio, people: Sequence[Person], ruler: Ruler, *, seeds: int, steps: int
) -> dict[float, dict[str, np.ndarray]]:
    """By scale each measure of every person, (people,), means over the seeds; NaN where no face was found."""
    rows: dict[float, list[dict[str, float]]] = {scale: [] for scale in SCALES}
    for number, person in enumerate(people):
        identity = studio.identity(person.photos[0])
        photo = people[(number + 1) % len(people)].photos[0]
        aim, other = ruler.found(photo), ruler.found(person.photos[1])
        if aim is None or other is None:
            continue
        for scale in SCALES:
            follow: Control | None = studio.pose(photo, scale=scale) if scale else None
            drawn = studio.portrait(identity, PROMPT, seed=SEED, count=seeds, num_steps=steps, control=follow)
            seen = [_compared(ruler, one.image, aim, other) for one in drawn]
            values = {name: np.array([one.get(name, np.nan) for one in seen]) for name in MEASURES}
            rows[scale].append({name: float(mean(own)) for name, own in values.items()})
    return {scale: {name: np.array([row[name] for row in own]) for name in MEASURES} for scale, own in rows.items()}


def _compared(
    ruler: Ruler, image: np.ndarray, aim: tuple[np.ndarray, Face], other: tuple[np.ndarray, Face]
) -> dict[str, float]:
    seen = ruler.found(image)
    if seen is None:
        return {"found": 0.0}
    meshes = [ruler.mesh(*one) for one in (seen, aim)]
    places = [(mesh[:, :2] + 0.5) / one[0].shape[1] for mesh, one in zip(meshes, (seen, aim), strict=True)]
    drawn, wanted = (head_pose(mesh) for mesh in meshes)
    return {
        "mesh": 100 * float(np.linalg.norm(places[0] - places[1], axis=1).mean()),
        "yaw": abs(drawn.yaw - wanted.yaw),
        "pitch": abs(drawn.pitch - wanted.pitch),
        "likeness": float(ruler.embedding(*seen) @ ruler.embedding(*other)),
        "found": 1.0,
    }


def told(found: dict[float, dict[str, np.ndarray]]) -> str:
    """A table in Markdown; brackets hold the middle 95 % over people."""
    rows = []
    for name, title in MEASURES.items():
        values = [over_people({"x": found[scale][name]}, lambda table: mean(table["x"]), seed=0) for scale in SCALES]
        first, last = ({"x": found[scale][name]} for scale in (SCALES[-1], SCALES[0]))
        gain = paired_difference(first, last, lambda table: mean(table["x"]), seed=0)
        rows.append([title, *map(_said, values), _said(gain)])
    columns = ["", "without", *(f"--control-scale {scale:g}" for scale in SCALES[1:]), "difference, 1 to without"]
    return as_table(columns, rows)


def _said(measured: Measured) -> str:
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


if __name__ == "__main__":
    typer.run(main)
