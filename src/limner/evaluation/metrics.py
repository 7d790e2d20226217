"""The metrics of a report: what is computed of people's numbers, in which direction is better, how it is to be read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limner.evaluation.agreement import share_right
from limner.evaluation.intervals import Formula, Measured, Table, mean, over_people, paired_difference, ratio
from limner.evaluation.likeness import likeness_columns, share_of_the_way
from limner.evaluation.outcomes import Outcome


@dataclass(frozen=True)
class Metric:
    """One column of the report.

    Attributes:
        key: in the JSON.
        title: for people.
        better: "higher", "lower", or "" where neither is better by itself.
        formula: of the people's numbers.
        columns: the numbers it reads.
        note: one sentence on how to read it.
    """

    key: str
    title: str
    better: str
    formula: Formula
    columns: tuple[str, ...]
    note: str


def _mean_of(column: str) -> Formula:
    return lambda table: mean(table[column])


def _ratio(above: str, below: str) -> Formula:
    return lambda table: ratio(mean(table[above]), mean(table[below]))


def _agreement(kind: str) -> Formula:
    return lambda table: share_right({"right": table[f"{kind}_right"], "verdicts": table[f"{kind}_verdicts"]})


def _plain(key: str, title: str, better: str, note: str) -> Metric:
    return Metric(key, title, better, _mean_of(key), (key,), note)


def _relative(part: str, title: str, better: str) -> Metric:
    above, below = f"change_{part}", f"seed_change_{part}"
    note = "Adapter on against off at the same seed; 1 is as much as another seed changes the base's picture."
    return Metric(f"relative_{above}", title, better, _ratio(above, below), (above, below), note)


def _agreed(kind: str, title: str, note: str) -> Metric:
    columns = (f"{kind}_right", f"{kind}_verdicts")
    return Metric(f"agreement_{kind}", title, "higher", _agreement(kind), columns, note)


METRICS = (
    _plain("to_other", "Sim(GT)", "higher", "Similarity to other photos of the person, by the judge."),
    _plain("to_reference", "Sim(Ref)", "", "Similarity to the photo the method saw; above real pairs it is copying."),
    Metric(
        "share", "way to real pairs", "higher", share_of_the_way, ("to_other", "random_pairs", "real_pairs"),
        "0: as alike as strangers; 1: as alike as two photos of the person.",
    ),
    _plain("random_pairs", "strangers", "", "Pictures against photos of others: the floor of this judge's Sim(GT)."),
    _plain("real_pairs", "real pairs", "", "The reference against other photos of the person: the aim of Sim(GT)."),
    _plain("copy_paste", "copy-paste", "lower", "1: the reference was pasted; compare only where Sim(GT) is high."),
    _agreed("independent", "text, independent", "Share of asked traits seen by classifiers no training has seen."),
    _agreed("geometric", "text, geometric", "The same by mesh, parser and the classifier that wrote the captions."),
    _relative("inside", "change on the face", ""),
    _relative("outside", "change beside the face", "lower"),
    _relative("perceptual", "perceptual change", "lower"),
    _plain("perceptual_diversity", "diversity", "higher", "Perceptual distance between seeds of one sentence."),
    _plain("pixel_diversity", "diversity of face pixels", "", "Mean difference of aligned faces, 1 is black on white."),
    _plain("yaw_spread", "spread of yaw", "", "Degrees, over sentences and seeds of a person."),
    _plain("smile_spread", "spread of smile", "", "In distances between the outer eye corners."),
    _plain("found", "faces found", "higher", "Share of pictures with a face."),
)  # fmt: skip


def table_of(outcomes: Sequence[Outcome]) -> dict[str, np.ndarray]:
    """All numbers of people, ``(people,)`` each."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.numbers)
    table = {name: np.array([outcome.numbers.get(name, np.nan) for outcome in outcomes]) for name in names}
    table |= likeness_columns([outcome.scores for outcome in outcomes])
    for kind in ("geometric", "independent"):
        counts = [getattr(outcome, kind) for outcome in outcomes]
        table[f"{kind}_right"] = np.array([np.nan if one is None else one.right for one in counts], float)
        table[f"{kind}_verdicts"] = np.array([np.nan if one is None else one.verdicts for one in counts], float)
    return table


def measure_all(table: Table, *, seed: int) -> dict[str, Measured]:
    """Every metric with its interval over people."""
    return {metric.key: over_people(_columns(table, metric), metric.formula, seed=seed) for metric in METRICS}


def measure_some(table: Table, keys: Sequence[str], chosen: np.ndarray, *, seed: int) -> dict[str, Measured]:
    """Some metrics of some people, bool ``(people,)``; likeness to strangers is still to all of them."""
    people = {name: column[chosen] for name, column in table.items()}
    return {
        metric.key: over_people(_columns(people, metric), metric.formula, seed=seed)
        for metric in METRICS
        if metric.key in keys
    }


def differences(table: Table, reference: Table, *, seed: int) -> dict[str, Measured]:
    """Every metric of one method minus that of another, on the same people."""
    return {
        metric.key: paired_difference(_columns(table, metric), _columns(reference, metric), metric.formula, seed=seed)
        for metric in METRICS
    }


def _columns(table: Table, metric: Metric) -> dict[str, np.ndarray]:
    return {name: table[name] for name in metric.columns}
