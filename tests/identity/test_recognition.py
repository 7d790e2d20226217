from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import FeatureSpaceError
from limner.core.images import read_image
from limner.faces.detection import FaceDetector, select_face
from limner.faces.face import AlignedFace
from limner.identity.recognition import GuideRecognizer, IdentityEmbedding, distance, similarity


@pytest.fixture(scope="module")
def guide() -> GuideRecognizer:
    return GuideRecognizer()


def noise_faces(count: int) -> list[AlignedFace]:
    pixels = np.random.default_rng(3).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)
    return [AlignedFace(image, np.eye(2, 3), "arcface-112") for image in pixels]


@given(rows=st.integers(1, 5), seed=st.integers(0, 99))
def test_normalising_keeps_direction_and_length(rows: int, seed: int):
    raw = np.random.default_rng(seed).normal(size=(rows, 7)) * 3
    embedding = IdentityEmbedding.from_raw("space", raw)
    np.testing.assert_allclose(np.linalg.norm(embedding.vector, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embedding.vector * embedding.norm[:, None], raw, rtol=1e-4, atol=1e-5)
    assert embedding.vector.dtype == np.float32
    assert len(embedding) == rows
    np.testing.assert_array_equal(embedding[rows - 1].vector, embedding.vector[rows - 1])


def test_an_all_zero_answer_stays_zero():
    embedding = IdentityEmbedding.from_raw("space", np.zeros(4))
    assert not embedding.vector.any()
    assert embedding.norm == 0


def test_similarity_is_the_cosine_and_distance_uses_the_length():
    a = IdentityEmbedding.from_raw("space", np.array([[3.0, 0.0], [0.0, 2.0]]))
    b = IdentityEmbedding.from_raw("space", np.array([0.0, 5.0]))
    np.testing.assert_allclose(similarity(a, b), [0, 1], atol=1e-6)
    np.testing.assert_allclose(distance(a, b), [34**0.5, 3], rtol=1e-6)


@pytest.mark.parametrize("measure", [similarity, distance])
def test_spaces_are_never_mixed(measure):
    a = IdentityEmbedding.from_raw("one-space", np.ones(3))
    b = IdentityEmbedding.from_raw("other-space", np.ones(3))
    with pytest.raises(FeatureSpaceError, match=r"one-space.*other-space"):
        measure(a, b)


def test_a_batch_gives_what_single_faces_give(guide: GuideRecognizer):
    faces = noise_faces(35)
    together = guide.embed(faces)
    assert together.vector.shape == (35, 512)
    for index in (0, 31, 32, 34):
        np.testing.assert_allclose(together.vector[index], guide.embed([faces[index]]).vector[0], atol=1e-5)


def test_the_guide_refuses_no_face_and_other_templates(guide: GuideRecognizer):
    with pytest.raises(FeatureSpaceError, match="at least one"):
        guide.embed([])
    with pytest.raises(FeatureSpaceError, match="dlib-150"):
        guide.embed([AlignedFace(np.zeros((150, 150, 3), np.uint8), np.eye(2, 3), "dlib-150")])


def test_the_guide_network_gets_blue_first_in_minus_one_to_one(monkeypatch: pytest.MonkeyPatch):
    class Spy:
        def setInput(self, inputs: np.ndarray) -> None:
            self.inputs = inputs

        def forward(self) -> np.ndarray:
            return np.ones((1, 512), np.float32)

    guide, spy = GuideRecognizer(), Spy()
    monkeypatch.setattr(guide, "_network", spy)
    face = np.zeros((112, 112, 3), np.uint8)
    face[..., 0], face[..., 2] = 255, 51  # red, blue
    guide.embed([AlignedFace(face, np.eye(2, 3), "arcface-112")])
    assert spy.inputs.shape == (1, 3, 112, 112)
    np.testing.assert_allclose(spy.inputs[0, :, 5, 5], [-0.6, -1, 1], atol=1e-6)


@pytest.mark.shared
def test_the_guide_knows_a_person_again(shared: Path, guide: GuideRecognizer):
    detector = FaceDetector()
    folder = shared / "data" / "portraits"

    def face(name: str) -> AlignedFace:
        photo = read_image(folder / name)
        return guide.align(photo, select_face(detector.detect(photo)))

    astronaut = face("portrait_10_astronaut.jpg")
    embeddings = guide.embed([astronaut, face("rotated_exif6_astronaut.jpg"), face("portrait_09_tim-scott.jpg")])
    similarities = similarity(embeddings, embeddings[0])
    assert similarities[1] > 0.9
    assert similarities[2] < 0.35


def test_the_maps_are_what_the_embedding_is_made_of(guide: GuideRecognizer):
    """One face changed at the right only: the maps differ more there than at the left."""
    image = np.full((112, 112, 3), 128, np.uint8)
    changed = image.copy()
    changed[:, 96:] = 255
    faces = [AlignedFace(picture, np.eye(2, 3), "arcface-112") for picture in (image, changed)]
    maps = guide.feature_maps(faces)
    assert maps.shape == (2, 49, 128)
    assert maps.dtype == np.float32
    difference = np.abs(maps[1] - maps[0]).mean(axis=1).reshape(7, 7)
    assert difference[:, 6].min() > 2 * difference[:, 0].max()
    np.testing.assert_allclose(guide.feature_maps(faces[1:])[0], maps[1], atol=1e-4)
