"""Who stays: every rule alone, then the split and the names."""

from collections.abc import Sequence

import numpy as np
import pytest

from limner.data.age_gender import AgeGender
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.photo_files import PhotoFile
from limner.data.preparing.selection import Selection, select
from limner.data.preparing.settings import SelectionSettings
from limner.data.splits import split_of
from limner.identity.recognition import GUIDE_SPACE
from tests.data.preparing.stubs import embedding


def photo(
    name: str,
    *,
    person: int = 0,
    years: float | None = 40.0,
    male: float = 0.5,
    sha256: str = "",
    copy_hash: str = "",
    pixels: int = 100,
    quality: float = 0.5,
) -> Outcome:
    """A usable photo; ``name`` is ``folder/file`` or only a file."""
    folder, slash, file = name.rpartition("/")
    shot = sum(map(ord, file))
    return Outcome(
        PhotoFile(name.replace("/", "-"), name, folder if slash else "", 1, 1),
        sha256 or name,
        record={"quality": quality, "embeddings": {GUIDE_SPACE: embedding(person, shot)}},
        seen=None if years is None else AgeGender(years, male),
        copy_hash=copy_hash or np.random.default_rng(shot).bytes(18).hex(),
        face_pixels=pixels,
    )


def chosen(*outcomes: Outcome, **settings: object) -> Selection:
    return select(outcomes, SelectionSettings.model_validate(settings), source="s")


def left(selection: Selection) -> list[tuple[str, Reason]]:
    return [(one.photo, one.reason) for one in selection.dropped]


def kept(selection: Selection) -> list[str]:
    return [one.key for one in selection.kept]


def test_what_the_analysis_dropped_keeps_its_reason() -> None:
    bad = Outcome(PhotoFile("k", "ann/x", "ann", 1, 1), "1", Reason.NO_FACE, "why")
    selection = chosen(bad, photo("ann/a"))
    (row,) = selection.dropped
    assert (row.photo, row.person, row.reason, row.detail) == ("ann/x", "s-ann", Reason.NO_FACE, "why")
    assert kept(selection) == ["ann-a"]


def test_folders_name_people() -> None:
    selection = chosen(photo("bob/a", person=1), photo("ann/b", person=0), photo("ann/a", person=0))
    assert [(one.person, one.key) for one in selection.kept] == [
        ("s-ann", "ann-a"),
        ("s-ann", "ann-b"),
        ("s-bob", "bob-a"),
    ]


def test_without_folders_faces_name_people_and_the_name_stays_when_photos_are_added() -> None:
    first = chosen(photo("b", person=1), photo("c", person=2), photo("d", person=1))
    names = {one.key: one.person for one in first.kept}
    assert names["b"] == names["d"] != names["c"]
    again = chosen(photo("b", person=1), photo("c", person=2), photo("d", person=1), photo("e", person=2), photo("f"))
    more = {one.key: one.person for one in again.kept}
    assert {key: more[key] for key in names} == names
    assert more["e"] == names["c"]
    assert len(set(more.values())) == 3


def test_children_leave() -> None:
    young = [photo("kid/a", years=12), photo("kid/b", years=30), photo("kid/c", years=14)]
    adult = [photo(f"ann/{name}", person=1, years=years) for name, years in (("a", 30), ("b", 40), ("c", 19))]
    selection = chosen(*young, *adult)
    assert left(selection) == [
        ("ann/c", Reason.CHILD), ("kid/a", Reason.CHILD), ("kid/b", Reason.CHILD), ("kid/c", Reason.CHILD),
    ]  # fmt: skip
    assert [one.age_years for one in selection.kept] == [30.0, 35.0]  # halfway to the person's median


def test_where_nobody_looked_at_ages_they_are_unknown() -> None:
    (one,) = chosen(photo("ann/a", years=None)).kept
    assert np.isnan(one.age_years)
    assert one.male == 0.5


def test_a_file_under_two_names_leaves_both() -> None:
    selection = chosen(photo("ann/a", sha256="1"), photo("bob/a", person=1, sha256="1"), photo("bob/b", person=1))
    assert left(selection) == [("ann/a", Reason.TWO_NAMES), ("bob/a", Reason.TWO_NAMES)]


def test_of_copies_the_largest_face_stays() -> None:
    copies = [
        photo("ann/a", copy_hash="00"),
        photo("ann/b", copy_hash="01", pixels=200),
        photo("ann/c", copy_hash="03"),
    ]
    selection = chosen(*copies, copy_bits=1)
    assert kept(selection) == ["ann-b"]
    assert [one.detail for one in selection.dropped] == ["of ann/b", "of ann/b"]


def test_a_stranger_leaves() -> None:
    people = [photo("ann/a"), photo("ann/b"), photo("ann/c", person=7), photo("ann/d")]
    assert left(chosen(*people)) == [("ann/c", Reason.STRANGER)]
    assert left(chosen(*people, stranger=-1.0)) == []


def test_people_with_too_few_photos_leave() -> None:
    people = [photo("ann/a"), photo("bob/a", person=1), photo("bob/b", person=1)]
    selection = chosen(*people, min_pictures=2)
    assert kept(selection) == ["bob-a", "bob-b"]
    assert left(selection) == [("ann/a", Reason.TOO_FEW)]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_the_photos_does_not_matter(order: int) -> None:
    photos: Sequence[Outcome] = [photo(f"{who}/{i}", person=who) for who in range(5) for i in range(4)][::order]
    assert chosen(*photos) == chosen(*sorted(photos, key=lambda one: one.photo.name))


def test_the_split_is_the_persons() -> None:
    photos = [photo(f"{who}/{i}", person=who) for who in range(30) for i in range(2)]
    selection = chosen(*photos, validation_share=0.5)
    assert {one.split for one in selection.kept} == {"train", "validation"}
    assert all(one.split == split_of(one.person, validation_share=0.5) for one in selection.kept)
    more = chosen(*photos, photo("new/1", person=31), validation_share=0.5)
    assert {one.key: one.split for one in selection.kept}.items() <= {one.key: one.split for one in more.kept}.items()
