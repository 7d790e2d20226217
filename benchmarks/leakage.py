"""What do the face encoder's features carry besides who it is? Linear probes, on people whom no training saw.

    python benchmarks/leakage.py --shards people/shards --write out/leakage

Ridge regressions are fitted on training people (their strength chosen on a quarter of those) and asked about validation
people. Identity is asked without a probe: cosines of two photos. Beside the encoder stand the guide, whom it was
distilled from, and the bare pixels. Writes leakage.json and leakage.md and prints the latter.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer

from limner.apps.bases import open_base
from limner.core.files import replacing
from limner.data.record import FaceRecord
from limner.data.shard_index import ShardIndex
from limner.evaluation.intervals import Measured, Table, draw_people, interval, over_people, ratio
from limner.evaluation.verification import Pairs, measure_verification, roc_auc
from limner.faces.alignment import align
from limner.identity.encoder import load_encoder
from limner.systems.designs import load_system

SEED, REPLICATES = 20261123, 500
STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)
"""Of the ridge, on features whose squares sum to about 1 in a picture."""
PIXEL_SIDE = 28
GLASSES, NO_GLASSES = 0.04, 0.005
"""Share of the face's area; in between nothing is asked (captions.py)."""
NUMBERS: dict[str, Callable[[FaceRecord], float]] = {
    "yaw": lambda r: r.numbers.yaw,
    "pitch": lambda r: r.numbers.pitch,
    "smile": lambda r: r.numbers.smile,
    "mouth open": lambda r: r.numbers.mouth_open,
    "brightness": lambda r: float(np.dot(r.numbers.skin_colour, (0.299, 0.587, 0.114))),
    "light from left": lambda r: float(np.log(max(r.numbers.light_from_left, 1e-3))),
}
WHAT = {"identity": "AUC", "glasses": "AUC"} | dict.fromkeys(NUMBERS, "R2")


@dataclass(frozen=True, eq=False)
class Faces:
    """Records of one split: features ``(records, width)`` by name, what is asked, and whose they are."""

    features: dict[str, np.ndarray]
    asked: dict[str, np.ndarray]
    person: np.ndarray


def main(
    shards: Annotated[Path, typer.Option(help="Shards with training and validation people.")] = Path("people/shards"),
    model: Annotated[str, typer.Option(help="A miniature: the embedded one, or its folder.")] = "miniature",
    pictures: Annotated[int, typer.Option(min=50, help="Of training people; of validation people all.")] = 1500,
    write: Annotated[Path, typer.Option(help="Folder for leakage.json and leakage.md.")] = Path("out/leakage"),
) -> None:
    """Measure, print, write."""
    index = ShardIndex(shards)
    numbers = {split: [n for n, s in enumerate(index.split) if s == split] for split in ("train", "validation")}
    order = np.random.default_rng(SEED).permutation(numbers["train"])[:pictures]
    reader = _Reader(model)
    fitted, unseen = (reader.read(index, chosen) for chosen in (sorted(order.tolist()), numbers["validation"]))
    results = {name: {what: asdict(one) for what, one in _probed(name, fitted, unseen)} for name in fitted.features}
    report = {
        "probes fitted on": f"{len(fitted.person)} pictures of {len(np.unique(fitted.person))} training people",
        "asked about": f"{len(unseen.person)} pictures of {len(np.unique(unseen.person))} people never trained on",
        "results": results,
    }
    text = _markdown(report)
    for file, content in (("leakage.json", json.dumps(report, indent=1) + "\n"), ("leakage.md", text)):
        with replacing(write / file) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    typer.echo(text)


class _Reader:
    """The networks whose features are probed."""

    def __init__(self, model: str) -> None:
        base = open_base(model, device="cpu")
        assert base.folder is not None
        self.encoder, _ = load_encoder(base.folder / "encoder.safetensors")
        self.system = load_system(base.folder / "adapter.safetensors", base.pipeline.unet).eval()

    def read(self, index: ShardIndex, numbers: Sequence[int]) -> Faces:
        """Features and numbers of these records."""
        rows: list[dict[str, np.ndarray]] = []
        records: list[FaceRecord] = []
        for number in numbers:
            record = index[number]
            records.append(record)
            rows.append(self._features(record))
        return Faces(
            {name: np.stack([row[name] for row in rows]) for name in rows[0]},
            {name: np.array([ask(r) for r in records]) for name, ask in NUMBERS.items()}
            | {"glasses": np.array([_glasses(r) for r in records])},
            np.unique([record.person for record in records], return_inverse=True)[1],
        )

    @torch.no_grad()
    def _features(self, record: FaceRecord) -> dict[str, np.ndarray]:
        crop = align(record.image, record.landmarks).image
        tokens = self.encoder.tokens(torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 127.5 - 1)
        small = cv2.resize(crop, (PIXEL_SIDE, PIXEL_SIDE), interpolation=cv2.INTER_AREA)
        return {
            "encoder, tokens": tokens[0].numpy().ravel(),
            "encoder, embedding": self.encoder.head(tokens)[0].numpy(),
            "adapter, face tokens": self.system.face_tokens(tokens[:, None])[0].numpy().ravel(),
            "guide, embedding": record.guide_embedding,
            f"pixels, {PIXEL_SIDE} x {PIXEL_SIDE}": small.astype(np.float32).ravel(),
        }


def _probed(name: str, fitted: Faces, unseen: Faces) -> Iterator[tuple[str, Measured]]:
    yield "identity", _identity(unseen.features[name], unseen.person)
    centre, spread = fitted.features[name].mean(axis=0), fitted.features[name].std(axis=0) + 1e-6
    known, new = ((faces.features[name] - centre) / spread / np.sqrt(len(centre)) for faces in (fitted, unseen))
    for what in (*NUMBERS, "glasses"):
        aims, truth = fitted.asked[what], unseen.asked[what]
        usable, told = np.isfinite(aims), np.isfinite(truth)
        guessed = _ridge(known[usable], aims[usable], fitted.person[usable], new[told])
        measure = _glasses_auc if what == "glasses" else _explained
        yield what, measure(guessed, truth[told], unseen.person[told])


def _ridge(known: np.ndarray, aims: np.ndarray, person: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Predictions for ``new``; the strength is the one that errs least on every fourth person."""
    held = person % 4 == 0
    errors = [
        np.square(_solved(known[~held], aims[~held], strength)(known[held]) - aims[held]).mean()
        for strength in STRENGTHS
    ]
    return _solved(known, aims, STRENGTHS[int(np.argmin(errors))])(new)


def _solved(known: np.ndarray, aims: np.ndarray, strength: float):
    """Ridge by its dual form, since there are fewer pictures than numbers."""
    middle = aims.mean()
    kernel = known @ known.T
    weights = np.linalg.solve(kernel + strength * np.eye(len(kernel)), aims - middle)
    return lambda new: new @ (known.T @ weights) + middle


def _explained(guessed: np.ndarray, truth: np.ndarray, person: np.ndarray) -> Measured:
    """Share of the variance between pictures of unseen people; below 0 is worse than their mean."""
    errors, spreads = np.square(guessed - truth), np.square(truth - truth.mean())
    table: Table = {"error": _by_person(errors, person), "spread": _by_person(spreads, person)}
    return over_people(
        table, lambda t: 1 - ratio(t["error"].sum(axis=-1), t["spread"].sum(axis=-1)), seed=SEED, replicates=REPLICATES
    )


def _glasses_auc(guessed: np.ndarray, truth: np.ndarray, person: np.ndarray) -> Measured:
    people, numbered = np.unique(person, return_inverse=True)
    pairs = Pairs(guessed, truth == 1, np.stack([person, person], axis=1))
    drawn = draw_people(len(people), seed=SEED, replicates=REPLICATES)
    weights = [np.bincount(one, minlength=len(people))[numbered].astype(float) for one in drawn]
    whole = [w for w in weights if w[pairs.same].sum() and w[~pairs.same].sum()]
    return interval(roc_auc(pairs, np.ones(len(truth))), np.array([roc_auc(pairs, w) for w in whole]))


def _identity(features: np.ndarray, person: np.ndarray) -> Measured:
    centred = features - features.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    chosen = np.array(list(combinations(range(len(person)), 2)))
    people = person[chosen]
    same = people[:, 0] == people[:, 1]
    keep = same | (np.random.default_rng(SEED).random(len(same)) < 0.2)
    scores = (unit[chosen[keep, 0]] * unit[chosen[keep, 1]]).sum(axis=1)
    return measure_verification(Pairs(scores, same[keep], people[keep]), seed=SEED, fars=(), replicates=200).auc


def _by_person(values: np.ndarray, person: np.ndarray) -> np.ndarray:
    return np.array([values[person == one].sum() for one in np.unique(person)])


def _glasses(record: FaceRecord) -> float:
    share = record.numbers.glasses
    return 1.0 if share > GLASSES else 0.0 if share < NO_GLASSES else float("nan")


def _markdown(report: dict) -> str:
    heads = [f"{what} ({unit})" for what, unit in WHAT.items()]
    lines = [f"| features | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    for name, row in report["results"].items():
        cells = [f"{one['value']:.2f} [{one['low']:.2f}, {one['high']:.2f}]" for one in (row[what] for what in WHAT)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(
        [f"Probes fitted on {report['probes fitted on']}; asked about {report['asked about']}.", "", *lines, ""]
    )


if __name__ == "__main__":
    typer.run(main)
