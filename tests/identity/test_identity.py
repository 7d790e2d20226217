import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from limner.apps.cli import app
from limner.core.checkpoint import load_checkpoint, save_checkpoint
from limner.core.consent import Consent
from limner.core.errors import (
    CheckpointError,
    ConfigError,
    FaceError,
    FaceIndexError,
    FeatureSpaceError,
    ImageError,
    NoFaceError,
)
from limner.identity import identity as identity_module
from limner.identity.features import SAME_PERSON_SIMILARITY, FaceFeatures, similarity_to_others
from limner.identity.identity import Identity
from limner.identity.recognition import GuideRecognizer, similarity
from tests.identity.conftest import PATCHES, WIDTH, FakeAnalyzer, FakeRecognizer, photo_of

HERSELF = Consent(who="herself", purpose="tests", given=date(2026, 1, 1))


@pytest.fixture
def enrol(analyzer: FakeAnalyzer, recognizer: FakeRecognizer, token_recognizer: FakeRecognizer):
    def from_photos(photos, **options) -> Identity:
        recognizers = options.pop("recognizers", [recognizer, token_recognizer])
        return Identity.from_photos(photos, analyzer=analyzer, recognizers=recognizers, **options)

    return from_photos


def test_an_identity_holds_what_each_recogniser_says(enrol: Callable[..., Identity]):
    person = enrol([photo_of(1, 10), photo_of(1, 20)], consent=HERSELF, origin="album", licence="CC0-1.0")
    assert list(person.features) == ["fake-space", "fake-tokens"]
    assert person.num_photos == 2
    assert person.quality.tolist() == [0.5, 0.5]
    assert person.pose.tolist() == [[10, 2, 3], [20, 2, 3]]
    assert (person.consent, person.origin, person.licence) == (HERSELF, "album", "CC0-1.0")
    assert person.licences == ["fr_feature", "miniature-encoder"]
    assert person.features["fake-space"].tokens is None
    tokens = person.features["fake-tokens"].tokens
    assert tokens is not None
    assert tokens.shape == (2, PATCHES, WIDTH)


def test_better_photos_count_more(enrol: Callable[..., Identity]):
    good, bad = photo_of(1, 0), photo_of(1, 80)
    good[..., 1], bad[..., 1] = 90, 30
    embedding = enrol([good, bad]).features["fake-space"].embedding.numpy()
    expected = 0.9 * np.eye(7)[1] + 0.3 * np.array([0, 4, 0, 0, 0, 0, 8]) / np.hypot(4, 8)
    np.testing.assert_allclose(embedding, expected / np.linalg.norm(expected), atol=1e-6)
    assert enrol([good, bad]).features["fake-space"].norm == pytest.approx((0.9 * 4 + 0.3 * np.hypot(4, 8)) / 1.2)


def test_a_single_photo_of_no_quality_still_counts(enrol: Callable[..., Identity]):
    photo = photo_of(1)
    photo[..., 1] = 0
    assert enrol(photo).features["fake-space"].embedding.norm() == pytest.approx(1)
    assert enrol(photo).photo_weights.tolist() == [1]


def test_photos_are_weighed_beside_the_best_one(enrol: Callable[..., Identity]):
    good, bad = photo_of(1, 0), photo_of(1, 80)
    good[..., 1], bad[..., 1] = 90, 30
    assert enrol([bad, good]).photo_weights.tolist() == pytest.approx([1 / 3, 1])
    assert enrol([good, good]).photo_weights.tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["array", "pil", "bytes", "str", "path"])
def test_photos_come_in_every_form(enrol: Callable[..., Identity], tmp_path: Path, kind: str):
    picture = Image.fromarray(photo_of(2))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    (tmp_path / "me.png").write_bytes(buffer.getvalue())
    path = tmp_path / "me.png"
    photo = {"array": photo_of(2), "pil": picture, "bytes": buffer.getvalue(), "str": str(path), "path": path}[kind]
    expected = enrol([photo_of(2)]).features["fake-space"].embedding
    assert torch.equal(enrol(photo).features["fake-space"].embedding, expected)
    assert torch.equal(enrol([photo]).features["fake-space"].embedding, expected)


@pytest.mark.parametrize(
    ("given_index", "asked"),
    [(None, [None, None]), (1, [1, 1]), ([2], [2, 2]), ([0, 1], [0, 1])],
)
def test_face_numbers_reach_the_analyzer(
    enrol: Callable[..., Identity], analyzer: FakeAnalyzer, given_index, asked: list
):
    enrol([photo_of(1), photo_of(1)], face_index=given_index)
    assert analyzer.asked == asked


def test_bad_input_is_refused_with_its_name(enrol: Callable[..., Identity], recognizer: FakeRecognizer):
    with pytest.raises(FaceError, match="at least one photo"):
        enrol([])
    with pytest.raises(NoFaceError, match="photo 2: no face was found"):
        enrol([photo_of(1), np.zeros((40, 40, 3), np.uint8)])
    with pytest.raises(ImageError, match=r"photo 1 is an array \(40, 40\)"):
        enrol(photo_of(1)[..., 0])
    with pytest.raises(FaceIndexError, match="2 face numbers were given for 3 photos"):
        enrol([photo_of(1)] * 3, face_index=[0, 1])
    with pytest.raises(ConfigError, match="each of another space"):
        enrol(photo_of(1), recognizers=[recognizer, FakeRecognizer()])
    with pytest.raises(ConfigError, match="at least one"):
        enrol(photo_of(1), recognizers=[])


def test_the_judge_may_not_condition(enrol: Callable[..., Identity]):
    with pytest.raises(ConfigError, match="judge"):
        enrol(photo_of(1), recognizers=[FakeRecognizer(role="judge")])


def test_somebody_else_is_named(enrol: Callable[..., Identity], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SAME_PERSON_SIMILARITY, "fake-space", 0.2)
    with pytest.raises(FaceError, match=r"photo 3 looks like somebody else .*similarity 0\.00"):
        enrol([photo_of(1, 1), photo_of(1, 2), photo_of(4), photo_of(1, 3)])
    with pytest.raises(FaceError, match="photo 1 and photo 2 look like two people"):
        enrol([photo_of(1), photo_of(2)])
    assert enrol([photo_of(1, 1), photo_of(1, 2)]).num_photos == 2


def test_similarity_to_others_leaves_the_photo_itself_out():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(similarity_to_others(vectors), [0.5**0.5, 0.5**0.5, 0])


def test_missing_spaces_say_which_there_are(enrol: Callable[..., Identity]):
    person = enrol(photo_of(1))
    assert person.features_in("fake-space") is person.features["fake-space"]
    with pytest.raises(FeatureSpaceError, match=r"fake-space, fake-tokens, but other-space"):
        person.features_in("other-space")


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    photos, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    words = st.text(max_size=12)
    features = {}
    for space in draw(st.lists(words.filter(bool), min_size=1, max_size=3, unique=True)):
        embedding = torch.nn.functional.normalize(torch.randn(draw(st.integers(1, 9)), generator=generator), dim=0)
        tokens = torch.randn(photos, 5, 3, generator=generator) if draw(st.booleans()) else None
        norm = draw(st.floats(0, 1e6, width=32))
        features[space] = FaceFeatures(space, embedding, norm, tokens, draw(words))
    quality, pose = torch.rand(photos, generator=generator), 90 * torch.randn(photos, 3, generator=generator)
    days = st.none() | st.dates()
    records = st.builds(Consent, who=words, purpose=words, given=days, until=days, revoked=days)
    age = st.none() | st.floats(0, 100, width=32)
    told = (draw(st.none() | records), draw(words), draw(words), draw(age), draw(st.none() | st.booleans()))
    return Identity(features, quality, pose, *told)


@given(person=identities())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_a_card_comes_back_bit_for_bit(person: Identity, tmp_path: Path):
    person.save(tmp_path / "card.safetensors")
    again = Identity.load(tmp_path / "card.safetensors")
    first = (tmp_path / "card.safetensors").read_bytes()
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == first
    assert (again.consent, again.origin, again.licence) == (person.consent, person.origin, person.licence)
    assert (again.apparent_age, again.glasses) == (person.apparent_age, person.glasses)
    assert torch.equal(again.quality, person.quality)
    assert torch.equal(again.pose, person.pose)
    assert list(again.features) == list(person.features)
    for space, features in person.features.items():
        other = again.features[space]
        assert torch.equal(other.embedding, features.embedding)
        assert (other.space, other.norm, other.licence) == (features.space, features.norm, features.licence)
        assert (other.tokens is None) == (features.tokens is None)
        if other.tokens is not None and features.tokens is not None:
            assert torch.equal(other.tokens, features.tokens)


def test_the_card_is_small_and_holds_no_photo(enrol: Callable[..., Identity], tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    enrol(noise).save(tmp_path / "card.safetensors")
    assert (tmp_path / "card.safetensors").stat().st_size < 3000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("pose"), "pose"),
        (lambda tensors: tensors.pop("fake-space/norm"), "norm"),
        (lambda tensors: tensors.update({"photo": torch.zeros(3)}), "also holds photo"),
        (lambda tensors: tensors.update({"pose": torch.zeros(5, 3)}), "do not match"),
        (lambda tensors: tensors.update({"fake-space/embedding": torch.ones(7)}), "length 1"),
        (lambda tensors: tensors.update({"fake-space/embedding": torch.full((7,), torch.nan)}), "length 1"),
        (lambda tensors: tensors.update({"fake-space/norm": torch.ones(2)}), "lacks part"),
        (lambda tensors: tensors.update({"fake-tokens/tokens": torch.zeros(3, 5, 3)}), "tokens"),
    ],
)
def test_a_tampered_card_is_refused(enrol: Callable[..., Identity], tmp_path: Path, change, message: str):
    path = tmp_path / "card.safetensors"
    enrol(photo_of(1)).save(path)
    tensors, header = load_checkpoint(path)
    change(tensors)
    save_checkpoint(path, tensors, header)
    with pytest.raises(CheckpointError, match=message):
        Identity.load(path)


def test_a_card_from_before_there_were_records_of_consent_opens(enrol: Callable[..., Identity], tmp_path: Path):
    path = tmp_path / "card.safetensors"
    enrol(photo_of(1)).save(path)
    tensors, header = load_checkpoint(path)
    networks = header.config["networks"]
    for words in ("it is me", ""):
        config = {"consent": words, "origin": "", "licence": "", "networks": networks}
        save_checkpoint(path, tensors, header.model_copy(update={"config": config}))
        consent = Identity.load(path).consent
        assert consent == Identity.load(path).consent
        assert (None if consent is None else consent.purpose) == (words or None)


def test_another_kind_of_file_is_refused(enrol: Callable[..., Identity], tmp_path: Path):
    path = tmp_path / "card.safetensors"
    enrol(photo_of(1)).save(path)
    tensors, header = load_checkpoint(path)
    save_checkpoint(path, tensors, header.model_copy(update={"system": "fact"}))
    with pytest.raises(CheckpointError, match="'fact'"):
        Identity.load(path)
    save_checkpoint(path, tensors, header.model_copy(update={"config": {"consent": 3}}))
    with pytest.raises(CheckpointError, match="identity card"):
        Identity.load(path)


@pytest.mark.shared
def test_the_command_writes_a_card(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(identity_module, "default_recognizers", lambda: [GuideRecognizer()])
    folder, card = shared / "data" / "portraits", tmp_path / "me.identity.safetensors"
    photos = [str(folder / name) for name in ("portrait_10_astronaut.jpg", "rotated_exif6_astronaut.jpg")]
    words = ["--consent", "public domain", "--consent-by", "NASA", "--consent-until", "2030-01-31"]
    result = CliRunner().invoke(app, ["identity", *photos, "-o", str(card), *words])
    assert result.exit_code == 0, result.output
    assert "mobilefacenet-faceplugin-arcface112" in result.output
    person = Identity.load(card)
    assert person.num_photos == 2
    assert person.consent is not None
    assert (person.consent.who, person.consent.purpose) == ("NASA", "public domain")
    assert person.consent.until == date(2030, 1, 31)
    assert person.pose.abs().max() < 10
    alone = Identity.from_photos(photos[0], recognizers=[GuideRecognizer()])
    (features,), (other,) = person.features.values(), alone.features.values()
    assert similarity(features.identity_embedding, other.identity_embedding) > 0.95


@pytest.mark.shared
def test_real_photos_of_two_people_are_refused(shared: Path):
    folder = shared / "data" / "portraits"
    photos = [folder / "portrait_10_astronaut.jpg", folder / "portrait_09_tim-scott.jpg"]
    with pytest.raises(FaceError, match=r"astronaut.*tim-scott.*two people"):
        Identity.from_photos(photos, recognizers=[GuideRecognizer()])
