"""`limner evaluate` from names to a report: opens models, refuses a wrong judge, draws, measures, writes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from limner.apps.bases import open_base
from limner.apps.evaluation_instruments import open_instruments, roles_told
from limner.apps.evaluation_methods import drawing_keys, drawing_methods, open_methods, settled
from limner.apps.opened_adapter import OpenedAdapter
from limner.core.checkpoint import Header, read_header
from limner.core.errors import ConfigError, InputError
from limner.core.files import replacing
from limner.data.shard_index import ShardIndex
from limner.evaluation.comparison import BASE, Comparison, compare
from limner.evaluation.page import page
from limner.evaluation.people import features_of, people_of, real_people, spaces_of
from limner.evaluation.picture_store import PictureStore
from limner.evaluation.protocol import Protocol
from limner.evaluation.report import as_json, report_group
from limner.evaluation.roles import require_independent, took_part
from limner.identity.recognition import GUIDE_SPACE, JUDGE_SPACE

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
        unseen: shards of people whom no training saw; the Frechet distance to all their pictures is told, too.
        reference: the method that the others are told apart from; the first if None.
        judge: feature space of the judge.
        features: file of the feature network; the installed package if None.
        classifiers: folder of the independent attribute classifiers; without it their verdicts are left out.
        encoder: face encoder of the adapters, where they lie apart from it.
        device: the best there is if None.
        notes: sentences for the report.
        pools: by name the methods whose pictures are also measured together, as several trainings of one method are.
    """

    model: str
    methods: Mapping[str, Path | None]
    rules: Protocol
    shards: Path
    real: Path | None = None
    unseen: Path | None = None
    reference: str | None = None
    judge: str = JUDGE_SPACE
    features: Path | None = None
    classifiers: Path | None = None
    encoder: Path | None = None
    device: str | None = None
    notes: tuple[str, ...] = ()
    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)


def run_evaluation(job: EvaluationJob, output: Path, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Evaluate, and write ``report.json`` and ``report.html`` to ``output``; returns the report as plain values.

    Raises:
        ConfigError: the judge took part in training, a method or setting is unknown, or the unseen people are the
            drawn ones.
        CheckpointError, AdapterError: a model cannot be opened.
        InputError: there are not enough people.
        MissingExtraError: the judge's packages are not installed.
    """
    reference = _reference(job)
    base = open_base(job.model, device=job.device)
    rules = settled(job.rules, base)
    adapters = open_methods(job.methods, base, encoder=job.encoder)
    index, others = ShardIndex(job.shards), _others(job)
    guides = [GUIDE_SPACE] if rules.identity_guidance and rules.scale else []
    part = took_part(_headers(adapters), spaces_of(index), guides=guides)
    require_independent(job.judge, part)
    instruments, notes = open_instruments(job.judge, features=job.features, classifiers=job.classifiers)
    if others is not None and instruments.features is None:
        raise ConfigError(f"the Frechet distance to {job.unseen} needs a feature network; {notes[0]}")
    groups = {"validation": people_of(index, rules)}
    if job.real is not None:
        groups["real"] = real_people(job.real, rules, instruments)
    store = PictureStore(output / PICTURES, drawing_keys(base, adapters, rules))
    methods = drawing_methods(base, adapters, rules)
    found: dict[str, Comparison] = {}
    for name, people in groups.items():
        told = partial(_tell, progress, name, len(people))
        found[name] = compare(people, methods, rules, instruments, keep=store, progress=told)
        _require_people(found[name])
        for pool, members in job.pools.items():
            found[name].pool(pool, members)
        if refused := len(found[name].refused):
            notes.append(f"{name}: {refused} people left out, no usable face in the reference photo")
    unseen = None
    if others is not None:
        unseen = features_of(others, instruments, next(iter(methods.values())).studio.pixels)
        notes.append(f"other people, whom no training saw: {len(others)} pictures of {job.unseen}")
    report = as_json(
        {name: report_group(one, rules, reference=reference, unseen=unseen) for name, one in found.items()},
        rules,
        roles=roles_told(job.judge, part, classified=job.classifiers is not None),
        notes=[*notes, *job.notes],
    )
    _write(report, found, output)
    return report


def _tell(progress: Progress, group: str, total: int, done: int) -> None:
    progress(group, done, total)


def _require_people(found: Comparison) -> None:
    if len(found.people) < 2:
        told = next(iter(found.refused.values()), "there was nobody")
        raise InputError(f"{len(found.people)} people could be drawn, two are needed; the first refusal: {told}")


def _reference(job: EvaluationJob) -> str:
    reference = job.reference or next(iter(job.methods))
    known = [*job.methods, *job.pools, BASE]
    if reference not in known:
        raise ConfigError(f"the reference {reference!r} is none of the methods {', '.join(known)}")
    return reference


def _others(job: EvaluationJob) -> ShardIndex | None:
    if job.unseen is None:
        return None
    if job.unseen.resolve() == job.shards.resolve():
        raise ConfigError(
            f"{job.unseen} are the shards whose people are drawn; name shards of other people, as `limner data "
            "synthesize --seed 2` makes them (--unseen)"
        )
    return ShardIndex(job.unseen)


def _headers(adapters: Mapping[str, OpenedAdapter]) -> dict[str, Header]:
    paths = {path for one in adapters.values() for path in (one.path, one.encoder_path) if path is not None}
    return {str(path): read_header(path) for path in sorted(paths)}


def _write(report: Mapping[str, Any], found: Mapping[str, Comparison], output: Path) -> None:
    shown = {name: one.shown for name, one in found.items()}
    names: Sequence[str] = [name for group in report["groups"].values() for name in group["methods"]]
    title = f"Evaluation: {', '.join(dict.fromkeys(names))}"
    output.mkdir(parents=True, exist_ok=True)
    with replacing(output / REPORT) as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with replacing(output / PAGE) as path:
        path.write_text(page(report, shown, title=title), encoding="utf-8")
