"""The finished record: what was decided is in it, and captions follow from the photo's key."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limner.core.errors import ConfigError
from limner.data.captions import WORDS, Traits
from limner.data.preparing.analysis import analyse_photo
from limner.data.preparing.captioner import AttributeCaptioner, Captioner, open_captioner
from limner.data.preparing.finishing import FinishJob, finish
from limner.data.preparing.outcome import Outcome
from limner.data.preparing.photo_files import list_photos
from limner.data.preparing.selection import Choice
from limner.data.preparing.settings import AnalysisSettings
from limner.data.record import record_of
from tests.data.preparing.stubs import StubMeasurer, lay_out

SHARD = Path("shard.tar")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    root = lay_out(tmp_path_factory.mktemp("photos"), people=1, shots=8)
    (root / "p0" / "1.txt").write_text("a person by the sea")
    settings = AnalysisSettings(source="test", pixels=64)
    found = [analyse_photo(root, one, StubMeasurer(), settings) for one in list_photos(root, source="test")]
    return [one for one in found if one.reason is None]


def choice(outcome: Outcome, years: float = 44.0) -> Choice:
    return Choice(outcome.photo.key, "test-ann", "validation", years, 0.9, outcome.sha256)


class Painter:
    """A captioner of somebody's own."""

    licence = "MIT"

    def caption(self, image: np.ndarray, traits: Traits, rng: torch.Generator) -> str:
        return f"{image.shape} {traits.gender} {int(torch.randint(1000, (), generator=rng))}"


def test_a_finished_record(outcomes: list[Outcome]) -> None:
    one = outcomes[0]
    record = record_of(finish(FinishJob(one, choice(one)), AttributeCaptioner(), licence="CC0-1.0"), SHARD)
    assert (record.key, record.person, record.split) == (one.photo.key, "test-ann", "validation")
    assert (record.age_years, record.male, record.licence, record.source) == (44.0, 0.9, "CC0-1.0", "test")
    assert record.image.shape == (64, 64, 3)
    assert record.caption is not None
    assert any(word in record.caption for word in WORDS["gender"]["man"])


def test_an_unknown_age_stays_unknown(outcomes: list[Outcome]) -> None:
    one = outcomes[0]
    record = record_of(finish(FinishJob(one, choice(one, float("nan"))), AttributeCaptioner(), licence=""), SHARD)
    assert np.isnan(record.age_years)


def test_captions_follow_from_the_key_and_differ_between_photos(outcomes: list[Outcome]) -> None:
    def captions(order: int) -> dict[str, str | None]:
        made = [finish(FinishJob(one, choice(one)), Painter(), licence="") for one in outcomes[::order]]
        return {sample.key: record_of(sample, SHARD).caption for sample in made}

    assert captions(1) == captions(-1)
    assert len(set(captions(1).values())) > 4


def test_a_text_beside_the_photo_goes_first(outcomes: list[Outcome]) -> None:
    captions = [record_of(finish(FinishJob(o, choice(o)), Painter(), licence=""), SHARD).caption for o in outcomes]
    assert captions.count("a person by the sea") == 1


def test_captioners_are_opened_by_name() -> None:
    assert isinstance(open_captioner("attributes"), AttributeCaptioner)
    own = open_captioner(f"{__name__}:Painter")
    assert isinstance(own, Captioner)


@pytest.mark.parametrize("name", ["", "blip", "no.such.module:X", "json:nothing", "json:JSONDecoder", "json:dumps"])
def test_what_is_no_captioner_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="captioner"):
        open_captioner(name)
