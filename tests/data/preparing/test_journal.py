"""The journal: whatever byte the process is killed at, whole outcomes stay and the rest is looked at again."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.data.age_gender import AgeGender
from limner.data.preparing.analysis import analyse_photo
from limner.data.preparing.journal import Journal
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.photo_files import PhotoFile, list_photos
from limner.data.preparing.settings import AnalysisSettings
from tests.data.preparing.stubs import StubMeasurer, lay_out

SETTINGS = AnalysisSettings(source="test", pixels=64)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    root = lay_out(tmp_path_factory.mktemp("photos"), people=1, shots=2)
    photos = list_photos(root, source="test")
    return [analyse_photo(root, photo, StubMeasurer(), SETTINGS) for photo in photos]


def test_outcomes_come_back(tmp_path: Path, outcomes: list[Outcome]) -> None:
    journal = Journal(tmp_path / "journal.tar")
    for outcome in outcomes:
        journal.append(outcome)
    for reader in (journal, Journal(tmp_path / "journal.tar")):
        assert list(reader.outcomes) == [outcome.photo.key for outcome in outcomes]
        for before in outcomes:
            after, small = reader.load(before.photo.key), reader.outcomes[before.photo.key]
            assert (after.photo, after.reason, after.seen, after.parts) == (
                before.photo, before.reason, before.seen, before.parts,
            )  # fmt: skip
            assert after.record == json.loads(json.dumps(before.record))
            assert small.parts == {}
            if before.reason is None:
                assert np.array_equal(small.guide_embedding, before.guide_embedding)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1))
def test_a_cut_journal_loses_the_last_piece_at_most(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcome], share: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "journal.tar"
    journal, ends = Journal(path), []
    for outcome in outcomes:
        journal.append(outcome)
        ends.append(path.stat().st_size)
    keep = round(share * ends[-1])
    path.write_bytes(path.read_bytes()[:keep])
    again = Journal(path)
    whole = sum(end <= keep for end in ends)
    assert len(again.outcomes) in (whole, whole - 1)
    for outcome in outcomes:
        if outcome.photo.key not in again.outcomes:
            again.append(outcome)
    assert set(Journal(path).outcomes) == {outcome.photo.key for outcome in outcomes}
    assert all(Journal(path).load(outcome.photo.key).parts == outcome.parts for outcome in outcomes)


def test_the_latest_outcome_counts(tmp_path: Path) -> None:
    photo = PhotoFile("k", "a.png", "", 1, 1)
    journal = Journal(tmp_path / "journal.tar")
    journal.append(Outcome(photo, "1", Reason.NO_FACE))
    journal.append(Outcome(photo, "2", Reason.CHILD, seen=AgeGender(9.0, 0.5)))
    assert Journal(tmp_path / "journal.tar").outcomes["k"].sha256 == "2"


def test_what_is_forgotten_leaves_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal.tar"
    journal = Journal(path)
    for key in ("first", "secret", "last"):
        journal.append(Outcome(PhotoFile(key, f"{key}.png", "", 1, 1), key, Reason.NO_FACE))
    left = journal.keep_only(lambda outcome: outcome.photo.key != "secret")
    assert list(left.outcomes) == ["first", "last"]
    assert b"secret" not in path.read_bytes()
    left.append(Outcome(PhotoFile("new", "n.png", "", 1, 1), "n", Reason.NO_FACE))
    assert list(Journal(path).outcomes) == ["first", "last", "new"]
