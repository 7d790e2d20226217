"""What one photo is kept or dropped for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from limner.core.images import read_image, write_png
from limner.data.preparing.analysis import analyse_photo
from limner.data.preparing.outcome import Outcome, Reason
from limner.data.preparing.photo_files import list_photos
from limner.data.preparing.settings import AnalysisSettings
from limner.data.record import PICTURE
from tests.data.preparing.stubs import StubMeasurer, draw_photo

SETTINGS = AnalysisSettings(source="test", pixels=64, framing=2.0)


def analyse(root: Path, settings: AnalysisSettings = SETTINGS) -> Outcome:
    (photo,) = list_photos(root, source="test")
    return analyse_photo(root, photo, StubMeasurer(), settings)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("face", None),
        ("no face", Reason.NO_FACE),
        ("two faces", Reason.SEVERAL_FACES),
        ("blurred", Reason.LOW_QUALITY),
        ("ageless", Reason.AGE_UNKNOWN),
        ("tiny", Reason.TOO_SMALL),
        ("child", None),  # decided when all photos of the person are known
    ],
)
def test_the_reasons(tmp_path: Path, kind: str, reason: Reason | None) -> None:
    write_png(tmp_path / "a.png", draw_photo(1, 1, kind))
    outcome = analyse(tmp_path)
    assert outcome.reason == reason
    assert bool(outcome.parts) == (reason is None)


def test_a_photo_that_would_have_to_be_enlarged_is_too_small(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", draw_photo(1, 1))
    large = AnalysisSettings(source="test", pixels=257, framing=2.0)
    assert analyse(tmp_path, large).reason == Reason.TOO_SMALL
    assert analyse(tmp_path, large.model_copy(update={"pixels": 256})).reason is None


def test_a_file_that_is_no_picture_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"hello")
    outcome = analyse(tmp_path)
    assert outcome.reason == Reason.UNREADABLE
    assert "not a picture" in outcome.detail


def test_a_kept_photo(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", draw_photo(3, 4))
    (tmp_path / "a.txt").write_text(" somebody\n in a garden ")
    outcome = analyse(tmp_path)
    assert read_image(outcome.parts[PICTURE]).shape == (64, 64, 3)
    assert list(outcome.parts) == ["jpg", "png"]
    assert outcome.face_pixels == 128
    assert outcome.note == "somebody in a garden"
    assert outcome.record["face_box"] == [15.75, 15.75, 32.0, 32.0]
    assert outcome.record["quality"] == 0.6
    assert np.linalg.norm(outcome.guide_embedding) == pytest.approx(1, abs=1e-3)
    assert dataclasses.replace(analyse(tmp_path)).to_sample() == outcome.to_sample()
