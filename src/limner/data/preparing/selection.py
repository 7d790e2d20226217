"""Who stays: whose photo is whose, children, copies, strangers, people with too few photos, and the split.

Pure functions over what was found out about all photos. Each rule takes candidates and returns those that stay; what
leaves is handed to ``drop`` with the reason.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from limner.data.measuring import ADULT_YEARS, ApparentPerson
from limner.data.preparing.clustering import cluster
from limner.data.preparing.identity_purge import strangers
from limner.data.preparing.near_duplicates import copies
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.settings import SelectionSettings
from limner.data.splits import split_of


@dataclass(frozen=True, eq=False)
class Candidate:
    """A photo and the person it is said to show."""

    person: str
    outcome: Outcome


@dataclass(frozen=True)
class Choice:
    """A photo that stays, with what only all photos together could tell."""

    key: str
    person: str
    split: str
    age_years: float
    male: float
    sha256: str


@dataclass(frozen=True)
class Dropped:
    """A photo that left: name below the folder, person as far as known, why."""

    photo: str
    person: str
    reason: Reason
    detail: str


@dataclass
class Selection:
    """The end of it: what stays in the order of people and keys, and what left."""

    kept: list[Choice] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


Drop = Callable[[Candidate, Reason, str], None]


def select(outcomes: Iterable[Outcome], settings: SelectionSettings, *, source: str) -> Selection:
    """Apply all rules, in the order of the functions below."""
    selection = Selection()

    def drop(one: Candidate, reason: Reason, detail: str = "") -> None:
        selection.dropped.append(Dropped(one.outcome.photo.name, one.person, reason, detail))

    people = _people(sorted(outcomes, key=lambda one: one.photo.key), source, settings, drop)
    for candidates in _under_one_name(people, drop).values():
        who = ApparentPerson.of([one.outcome.seen for one in candidates if one.outcome.seen is not None])
        staying = _adults(candidates, who, drop)
        staying = _originals(staying, settings.copy_bits, drop)
        staying = _same_face(staying, settings.stranger, drop)
        if len(staying) < settings.min_pictures:
            for one in staying:
                drop(one, Reason.TOO_FEW, f"{len(staying)} of {settings.min_pictures}")
            continue
        selection.kept += [_choice(one, who, settings) for one in staying]
    selection.kept.sort(key=lambda one: (one.person, one.key))
    selection.dropped.sort(key=lambda one: (one.photo, one.reason))
    return selection


def person_of(source: str, folder: str) -> str:
    """A person's name in records; the source keeps people of different sets apart."""
    return f"{source}-{folder}"


def _people(outcomes: Sequence[Outcome], source: str, settings: SelectionSettings, drop: Drop) -> list[Candidate]:
    """Name everybody: by folder, or by the face. A group is named after its first photo, so that it keeps its name
    when photos are added to it."""
    for one in outcomes:
        if one.reason is not None:
            who = person_of(source, one.photo.folder) if one.photo.folder else ""
            drop(Candidate(who, one), one.reason, one.detail)
    usable = [one for one in outcomes if one.reason is None]
    if not usable or usable[0].photo.folder:
        return [Candidate(person_of(source, one.photo.folder), one) for one in usable]
    groups = cluster(np.stack([one.guide_embedding for one in usable]), threshold=settings.same_person)
    first: dict[int, str] = {}
    for one, group in zip(usable, groups, strict=True):
        first.setdefault(group, hashlib.sha256(one.photo.name.encode()).hexdigest()[:12])
    return [Candidate(person_of(source, first[group]), one) for one, group in zip(usable, groups, strict=True)]


def _under_one_name(candidates: list[Candidate], drop: Drop) -> dict[str, list[Candidate]]:
    """By person, without files that lie under several names: nothing tells whom they show."""
    names = Counter(content for content, _ in {(one.outcome.sha256, one.person) for one in candidates})
    people: dict[str, list[Candidate]] = {}
    for one in candidates:
        if names[one.outcome.sha256] > 1:
            drop(one, Reason.TWO_NAMES, "")
        else:
            people.setdefault(one.person, []).append(one)
    return people


def _adults(candidates: list[Candidate], who: ApparentPerson, drop: Drop) -> list[Candidate]:
    """Nobody who looks like a child, all photos taken together, and no photo that looks like a child's: an adult's
    childhood, or in doubt an adult who looks young in it."""
    staying = []
    for one in candidates:
        years = who.years if one.outcome.seen is None else one.outcome.seen.years
        if who.is_child or years < ADULT_YEARS:
            drop(one, Reason.CHILD, f"{years:.0f} years, all photos {who.years:.0f}")
        else:
            staying.append(one)
    return staying


def _originals(candidates: list[Candidate], most_bits: int, drop: Drop) -> list[Candidate]:
    """Of copies the one with the most pixels of the face, then of the best quality."""
    best_first = sorted(candidates, key=lambda one: (-one.outcome.face_pixels, -_quality(one), one.outcome.photo.key))
    answers = copies([one.outcome.copy_hash for one in best_first], most_bits=most_bits)
    for one, original in zip(best_first, answers, strict=True):
        if original is not None:
            drop(one, Reason.COPY, f"of {best_first[original].outcome.photo.name}")
    return [one for one, original in zip(best_first, answers, strict=True) if original is None]


def _same_face(candidates: list[Candidate], threshold: float, drop: Drop) -> list[Candidate]:
    if not candidates:
        return []
    leaving = strangers(np.stack([one.outcome.guide_embedding for one in candidates]), threshold=threshold)
    for number in leaving:
        drop(candidates[number], Reason.STRANGER, "")
    return [one for number, one in enumerate(candidates) if number not in leaving]


def _choice(one: Candidate, who: ApparentPerson, settings: SelectionSettings) -> Choice:
    return Choice(
        key=one.outcome.photo.key,
        person=one.person,
        split=split_of(one.person, validation_share=settings.validation_share),
        age_years=who.years_in(one.outcome.seen),
        male=who.male,
        sha256=one.outcome.sha256,
    )


def _quality(one: Candidate) -> float:
    return float(one.outcome.record["quality"] or 0.0)
