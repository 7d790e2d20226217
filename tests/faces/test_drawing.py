import numpy as np

from limner.faces.drawing import FACE_COLUMNS, LABEL_COLORS, draw_faces, face_rows
from limner.faces.parsing import ParsingLabel


def test_every_part_but_the_background_has_its_own_colour():
    assert set(LABEL_COLORS) == set(ParsingLabel) - {ParsingLabel.BACKGROUND}
    assert len(set(LABEL_COLORS.values())) == len(LABEL_COLORS)


def test_the_drawing_keeps_the_background_and_adds_a_legend(photo, analysis):
    drawn = draw_faces(photo, [analysis])
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] == photo.shape[0]
    assert drawn.shape[1] > photo.shape[1]
    np.testing.assert_array_equal(drawn[:60, :60], photo[:60, :60])


def test_box_landmarks_and_overlay_are_drawn(photo, analysis):
    drawn = draw_faces(photo, [analysis])
    x, y, width, _ = (round(value) for value in analysis.face.box)
    assert drawn[y, x + width // 2].tolist() == [255, 255, 0]
    eye = np.round(analysis.face.landmarks[0]).astype(int)
    assert drawn[eye[1], eye[0]].tolist() == [255, 0, 0]
    hair = photo[500, 140] * 0.6 + np.array(LABEL_COLORS[ParsingLabel.HAIR]) * 0.4
    np.testing.assert_allclose(drawn[500, 140], hair, atol=1)


def test_a_photo_lower_than_the_legend_is_extended(photo, analyzer):
    small = np.ascontiguousarray(photo[::6, ::6])
    [face] = analyzer.detect(small)
    drawn = draw_faces(small, [analyzer.analyze_face(small, face)])
    assert drawn.shape[0] > small.shape[0]


def test_rows_have_a_cell_a_column(analysis):
    [row] = face_rows([analysis], numbers=[7])
    cells = dict(zip(FACE_COLUMNS, row, strict=True))
    assert cells["face"] == "7"
    assert cells["usable"] == "yes"
    assert cells["quality"] == f"{analysis.quality:.2f}"
    assert cells["yaw"] == f"{analysis.pose.yaw:+.0f}"
