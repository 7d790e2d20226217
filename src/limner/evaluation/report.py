"""From a comparison to the report's numbers: metrics, differences, bins, traits, distances, and who measured them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from limner.data.bins import level
from limner.evaluation.comparison import Comparison
from limner.evaluation.feature_distance import frechet_over_people, frechet_to_others, kernel_distance, spread_of
from limner.evaluation.intervals import Measured, Table
from limner.evaluation.metrics import METRICS, differences, measure_all, measure_some, table_of
from limner.evaluation.outcomes import Outcome
from limner.evaluation.protocol import Person, Protocol

BINNED = ("to_other", "copy_paste", "found")
"""Metrics that are told by bin, too."""
VERSION = 1


@dataclass(frozen=True)
class Distance:
    """Of a method's pictures to photos, in the features of one network.

    ``pictures`` and ``photos`` say how many there were: the Frechet distance means nothing without that.
    """

    frechet: Measured
    kernel: float
    pictures: int
    photos: int


@dataclass(frozen=True)
class MethodReport:
    """One row of the table.

    Attributes:
        metrics: by key of :data:`limner.evaluation.metrics.METRICS`.
        difference: the same, minus the reference method's on the same people; empty for that method itself.
        bins: binning -> label -> number of people and the metrics of ``BINNED``.
        traits: instrument -> trait -> share of pictures in which it was as asked.
        distance: to the people's own photos; None without a feature network.
        unseen: to the pictures of other people; None unless there are some.
    """

    metrics: dict[str, Measured]
    difference: dict[str, Measured]
    bins: dict[str, dict[str, dict[str, Any]]]
    traits: dict[str, dict[str, float]]
    distance: Distance | None
    unseen: Distance | None


@dataclass(frozen=True)
class GroupReport:
    """One group of people; ``reference`` names the method that the differences are taken from."""

    people: int
    pictures_each: int
    reference: str
    methods: dict[str, MethodReport]


def report_group(
    comparison: Comparison, rules: Protocol, *, reference: str, unseen: np.ndarray | None = None, seed: int = 0
) -> GroupReport:
    """Every method of a comparison, the base first.

    Args:
        reference: the method that others are told apart from.
        unseen: features ``(pictures, width)`` of people whom no training saw.
        seed: of the draws of people.
    """
    tables = {name: table_of(outcomes) for name, outcomes in comparison.outcomes.items()}
    labels = [_bins_of(person) for person in comparison.people]
    methods = {
        name: MethodReport(
            metrics=measure_all(table, seed=seed),
            difference={} if name == reference else differences(table, tables[reference], seed=seed),
            bins=_bins(table, labels, seed),
            traits=_traits(comparison.outcomes[name]),
            distance=_distance(comparison.outcomes[name], comparison.real, seed),
            unseen=None if unseen is None else _distance_to_others(comparison.outcomes[name], unseen, seed),
        )
        for name, table in tables.items()
    }
    each = len(rules.wishes) * rules.seeds
    return GroupReport(len(comparison.people), each, reference, methods)


def as_json(
    groups: Mapping[str, GroupReport], rules: Protocol, *, roles: Mapping[str, str], notes: Sequence[str]
) -> dict[str, Any]:
    """The whole report as plain values; numbers that do not exist are None."""
    return _plain(
        {
            "version": VERSION,
            "protocol": rules.model_dump(mode="json"),
            "roles": dict(roles),
            "notes": list(notes),
            "metrics": {m.key: {"title": m.title, "better": m.better, "note": m.note} for m in METRICS},
            "groups": {name: asdict(group) for name, group in groups.items()},
        }
    )


def _bins_of(person: Person) -> dict[str, str]:
    """Groups by the reference photo: apparent age, individual typology angle of the parsed skin, yaw either way."""
    numbers = {"age": person.age, "skin tone": person.skin_tone, "turned by": abs(person.yaw)}
    return {division: level(division, number) for division, number in numbers.items()}


def _bins(table: Table, labels: Sequence[Mapping[str, str]], seed: int) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for binning in labels[0]:
        own = [row[binning] for row in labels]
        for label in sorted(set(own)):
            chosen = np.array([one == label for one in own])
            measured = measure_some(table, BINNED, chosen, seed=seed)
            found.setdefault(binning, {})[label] = {"people": int(chosen.sum()), **measured}
    return found


def _traits(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for kind in ("independent", "geometric"):
        verdicts: dict[str, list[bool]] = {}
        for outcome in outcomes:
            counts = getattr(outcome, kind)
            for trait, own in (counts.by_trait if counts else {}).items():
                verdicts.setdefault(trait, []).extend(own)
        found[kind] = {trait: float(np.mean(values)) for trait, values in sorted(verdicts.items())}
    return found


def _distance(outcomes: Sequence[Outcome], real: Sequence[np.ndarray], seed: int) -> Distance | None:
    generated = [outcome.features for outcome in outcomes]
    pictures, photos = sum(map(len, generated)), sum(map(len, real))
    if pictures < 2 or photos < 2:
        return None
    kernel = kernel_distance(np.concatenate(generated), np.concatenate(list(real)))
    return Distance(frechet_over_people(generated, real, seed=seed), kernel, pictures, photos)


def _distance_to_others(outcomes: Sequence[Outcome], others: np.ndarray, seed: int) -> Distance | None:
    generated = [outcome.features for outcome in outcomes]
    pictures = sum(map(len, generated))
    if pictures < 2 or len(others) < 2:
        return None
    kernel = kernel_distance(np.concatenate(generated), others)
    return Distance(frechet_to_others(generated, spread_of(others), seed=seed), kernel, pictures, len(others))


def _plain(value: Any) -> Any:
    if isinstance(value, Measured):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value
