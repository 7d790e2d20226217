import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from limner.core.errors import ConfigError, FaceError
from limner.faces.alignment import (
    TEMPLATES,
    align,
    fit_similarity,
    invert_similarity,
    paste_back,
    template_matrix,
    transform_points,
    warp_smooth,
)

POINTS = np.array(TEMPLATES["arcface-112"].points)


def similarity(scale: float, angle: float, shift_x: float, shift_y: float) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, shift_x], [sine, cosine, shift_y]])


@given(st.floats(0.05, 20), st.floats(-3.1, 3.1), st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_the_fit_finds_any_similarity(scale, angle, shift_x, shift_y):
    true = similarity(scale, angle, shift_x, shift_y)
    np.testing.assert_allclose(fit_similarity(POINTS, transform_points(true, POINTS)), true, rtol=1e-9, atol=1e-8)


@given(st.floats(0.05, 20), st.floats(-3.1, 3.1), st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_the_inverse_undoes(scale, angle, shift_x, shift_y):
    matrix = similarity(scale, angle, shift_x, shift_y)
    there_and_back = transform_points(invert_similarity(matrix), transform_points(matrix, POINTS))
    np.testing.assert_allclose(there_and_back, POINTS, atol=1e-6)


def test_the_fit_never_mirrors():
    mirrored = POINTS * [-1, 1]
    assert np.linalg.det(fit_similarity(mirrored, POINTS)[:, :2]) > 0


def test_the_fit_is_the_least_squares_one():
    noisy = POINTS + np.random.default_rng(0).normal(0, 3, POINTS.shape)
    best = fit_similarity(noisy, POINTS)

    def error(matrix):
        return ((transform_points(matrix, noisy) - POINTS) ** 2).sum()

    for change in (similarity(1.01, 0, 0, 0), similarity(1, 0.01, 0, 0), similarity(1, 0, 0.2, 0)):
        changed = change[:, :2] @ best
        changed[:, 2] += change[:, 2]
        assert error(changed) > error(best)


def test_coinciding_landmarks_are_refused():
    with pytest.raises(FaceError, match="do not span a face"):
        align(np.zeros((8, 8, 3), np.uint8), np.full((5, 2), 4.0))


def test_an_unknown_template_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="arcface-112, ffhq-512"):
        align(np.zeros((8, 8, 3), np.uint8), POINTS, "arcface-128")


def test_landmarks_land_on_the_template(photo, face):
    for name, template in TEMPLATES.items():
        aligned = align(photo, face.landmarks, name)
        assert aligned.image.shape == (template.side, template.side, 3)
        assert aligned.template == name
        landed = transform_points(aligned.matrix, face.landmarks)
        assert np.abs(landed - template.points).max() < 0.08 * template.side


def test_outside_the_photo_is_black(photo, face):
    aligned = align(photo[:, : int(face.landmarks[2, 0])], face.landmarks)
    assert aligned.image[:, -20:].max() == 0
    assert aligned.image[60, 30].max() > 0


def test_paste_back_returns_the_photo_where_nothing_was_edited(photo, face):
    aligned = align(photo, face.landmarks, "ffhq-512")
    pasted = paste_back(photo, aligned)
    assert np.abs(pasted.astype(int) - photo).mean() < 1.5


def test_paste_back_changes_only_what_the_mask_opens(photo, face):
    aligned = align(photo, face.landmarks)
    mask = np.zeros((112, 112), np.float32)
    mask[50:60, 50:60] = 1
    white = type(aligned)(np.full_like(aligned.image, 255), aligned.matrix, aligned.template)
    pasted = paste_back(photo, white, mask)
    changed = np.argwhere((pasted != photo).any(axis=2))
    corners = transform_points(invert_similarity(aligned.matrix), np.array([[49, 49], [60, 49], [60, 60], [49, 60]]))
    assert (changed[:, ::-1] >= corners.min(axis=0) - 1).all()
    assert (changed[:, ::-1] <= corners.max(axis=0) + 1).all()
    inside = np.round(corners.mean(axis=0)).astype(int)
    assert pasted[inside[1], inside[0]].tolist() == [255, 255, 255]


def test_a_smooth_warp_averages_fine_patterns_and_keeps_the_place():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 200
    stripes[400:] = 0
    small = warp_smooth(stripes, np.array([[0.1, 0, -0.45], [0, 0.1, -0.45]]), 80)
    assert np.abs(small[:38].astype(int) - 100).max() <= 2
    assert small[42:].max() == 0


@pytest.mark.shared
def test_golden_alignment(shared):
    golden = load_file(shared / "golden/fact/align.safetensors")
    for case in range(5):
        aligned = align(golden[f"{case}.image"], golden[f"{case}.landmarks"])
        np.testing.assert_allclose(aligned.matrix, golden[f"{case}.matrix"], atol=1e-4)
        assert np.abs(aligned.image.astype(int) - golden[f"{case}.aligned"]).max() <= 1


def test_template_matrix_is_what_align_uses(photo, face):
    np.testing.assert_array_equal(align(photo, face.landmarks).matrix, template_matrix(face.landmarks, "arcface-112"))
