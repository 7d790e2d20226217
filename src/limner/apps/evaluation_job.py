"""`limner evaluate` from names to a report: opens models, refuses a wrong judge, draws, measures, writes."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limner.apps.assembly import Assembly, FaceAdapter, open_adapter, own_adapter
from limner.apps.bases import Base, open_base
from limner.apps.evaluation_instruments import open_instruments, roles_told
from limner.apps.studio import Studio
from limner.core.checkpoint import Header, read_header
from limner.core.errors import ConfigError, InputError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.comparison import BASE, Comparison, compare
from limner.evaluation.page import page
from limner.evaluation.people import people_of, real_people, spaces_of
from limner.evaluation.picture_store import PictureStore
from limner.evaluation.protocol import Person, Protocol
from limner.evaluation.report import as_json, report_group
from limner.evaluation.roles import require_independent, took_part
from limner.identity.identity import Identity
from limner.identity.recognition import JUDGE_SPACE

REPORT, PAGE, PICTURES = "report.json", "report.html", "pictures"
Progress = Callable[[str, int, int], None]
"""Group of people, how many are done, how many there are."""


@dataclass(frozen=True)
class EvaluationJob:
    """What to evaluate.

    Attributes:
        model: "miniature", a folder or a hub name; the base of all methods.
        methods: by name the file of an adapter, None for the model's own one of that system.
        rules: the protocol.
        shards: folder; people of its validation split are drawn.
        real: folder of a packed photo set of real people, or None.
        reference: the method that the others are told apart from; the first if None.
        judge: feature space of the judge.
        features: file of the feature network; the installed package if None.
        classifiers: folder of the independent attribute classifiers; without it their verdicts are left out.
        encoder: face encoder of the adapters, where they lie apart from it.
        device: the best there is if None.
        notes: sentences for the report.
    """

    model: str
    methods: Mapping[str, Path | None]
    rules: Protocol
    shards: Path
    real: Path | None = None
    reference: str | None = None
    judge: str = JUDGE_SPACE
    features: Path | None = None
    classifiers: Path | None = None
    encoder: Path | None = None
    device: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StudioMethod:
    """A studio as an evaluation sees it."""

    studio: Studio
    rules: Protocol

    def identity(self, photo: np.ndarray) -> Identity:
        return self.studio.identity([photo])

    def draw(self, identity: Identity | None, prompt: str, *, seed: int, count: int) -> list[np.ndarray]:
        portraits = self.studio.portrait(
            identity,
            prompt,
            seed=seed,
            count=count,
            adapter_scale=0.0 if identity is None else self.rules.scale,
            num_steps=self.rules.steps,
            guidance_scale=self.rules.guidance,
        )
        return [portrait.image for portrait in portraits]


def run_evaluation(job: EvaluationJob, output: Path, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Evaluate, and write ``report.json`` and ``report.html`` to ``output``; returns the report as plain values.

    Raises:
        ConfigError: the judge took part in training, or a method or setting is unknown.
        CheckpointError, AdapterError: a model cannot be opened.
        InputError: there are not enough people.
        MissingExtraError: the judge's packages are not installed.
    """
    reference = _reference(job)
    base = open_base(job.model, device=job.device)
    adapters = open_methods(job, base)
    index = ShardIndex(job.shards)
    part = took_part(_headers(adapters), spaces_of(index))
    require_independent(job.judge, part)
    instruments, notes = open_instruments(job.judge, features=job.features, classifiers=job.classifiers)
    groups: dict[str, list[Person]] = {"validation": people_of(index, job.rules)}
    if job.real is not None:
        groups["real"] = real_people(job.real, job.rules, instruments)
    methods = {name: StudioMethod(Studio(Assembly(base, one)), job.rules) for name, one in adapters.items()}
    store = PictureStore(output / PICTURES, _keys(job, base, adapters))
    found: dict[str, Comparison] = {}
    for name, people in groups.items():
        total = len(people)
        progress(name, 0, total)
        found[name] = compare(
            people, methods, job.rules, instruments, keep=store,
            progress=lambda done, name=name, total=total: progress(name, done, total),
        )  # fmt: skip
        _require_people(found[name])
    notes += job.notes
    notes += [f"{name}: {len(one.refused)} people left out, no usable face in the reference photo"
              for name, one in found.items() if one.refused]  # fmt: skip
    report = as_json(
        {name: report_group(one, job.rules, reference=reference) for name, one in found.items()},
        job.rules,
        roles=roles_told(job.judge, part, classified=job.classifiers is not None),
        notes=notes,
    )
    _write(report, found, output)
    return report


def methods_named(text: str) -> dict[str, Path | None]:
    """``"fact,rival=out/adapter.safetensors"`` -> files by name, None where a name stands alone.

    Raises:
        ConfigError: there is no method, or one has no name or stands twice.
    """
    found: dict[str, Path | None] = {}
    for entry in text.split(","):
        name, equals, file = (part.strip() for part in entry.partition("="))
        if not name or name in found or (equals and not file) or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"--methods {text!r}: each is NAME or NAME=FILE, letters and digits, none of them twice")
        found[name] = Path(file) if file else None
    return found


def open_methods(job: EvaluationJob, base: Base) -> dict[str, FaceAdapter]:
    """The adapters of all methods.

    Raises:
        ConfigError: a name is "base", or stands alone and is not what the model's own adapter is.
    """
    if BASE in job.methods:
        raise ConfigError(f"{BASE!r} is the model without an adapter and always measured; leave it out of --methods")
    return {name: open_adapter(path or _own(name, base), base, encoder=job.encoder)
            for name, path in job.methods.items()}  # fmt: skip


def _require_people(found: Comparison) -> None:
    if len(found.people) < 2:
        told = next(iter(found.refused.values()), "there was nobody")
        raise InputError(f"{len(found.people)} people could be drawn, two are needed; the first refusal: {told}")


def _reference(job: EvaluationJob) -> str:
    reference = job.reference or next(iter(job.methods))
    if reference not in {*job.methods, BASE}:
        raise ConfigError(f"the reference {reference!r} is none of the methods {', '.join(job.methods)}, {BASE}")
    return reference


def _own(name: str, base: Base) -> Path:
    path = own_adapter(base)
    system = None if path is None else read_header(path).system
    if path is None or system != name:
        has = "no adapter of its own" if path is None else f"an adapter of the system {system!r}"
        raise ConfigError(f"{base.name} has {has}; name the file of {name!r}: --methods {name}=FILE")
    return path


def _headers(adapters: Mapping[str, FaceAdapter]) -> dict[str, Header]:
    paths = {path for one in adapters.values() for path in (one.path, one.encoder_path) if path is not None}
    return {str(path): read_header(path) for path in sorted(paths)}


def _keys(job: EvaluationJob, base: Base, adapters: Mapping[str, FaceAdapter]) -> dict[str, str]:
    drawing = job.rules.model_dump_json(exclude={"people", "photos", "name"})
    weights = {name: one.sha256 for name, one in adapters.items()} | {BASE: ""}
    about = f"{drawing} {base.name} {_weights_of(base)}"
    return {name: hashlib.sha256(f"{about} {sha}".encode()).hexdigest()[:12] for name, sha in weights.items()}


def _weights_of(base: Base) -> str:
    """Sum of the denoiser's weights: another base under the same name must not find the old one's pictures."""
    total = sum(float(parameter.double().abs().sum()) for parameter in base.pipeline.unet.parameters())
    return f"{total:.9e}"


def _write(report: Mapping[str, Any], found: Mapping[str, Comparison], output: Path) -> None:
    shown = {name: one.shown for name, one in found.items()}
    names: Sequence[str] = [name for group in report["groups"].values() for name in group["methods"]]
    title = f"Evaluation: {', '.join(dict.fromkeys(names))}"
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / REPORT) as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with replacing(output / PAGE) as path:
        path.write_text(page(report, shown, title=title), encoding="utf-8")
