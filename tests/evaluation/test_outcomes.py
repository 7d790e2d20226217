"""From pictures whose numbers are known to the numbers of a person."""

import numpy as np
import pytest

from limner.data.captions import Traits
from limner.evaluation.outcomes import outcome_of, pooled, scores_of
from tests.evaluation.examples import WISHES, face, picture, unit

OWN = unit(1, 0)
PHOTOS = [picture(0, face(OWN)), picture(0, face(unit(1, 1)))]
BASE = [[picture(0, face(OWN)), picture(51, face(OWN))] for _ in WISHES]


def test_change_is_told_on_the_face_and_beside_it_and_from_seed_to_seed() -> None:
    drawn = [[picture(102, face(OWN), right=0), picture(51 + 102, face(OWN), right=51)] for _ in WISHES]
    numbers = outcome_of(WISHES, PHOTOS, drawn, BASE, classified=False).numbers
    assert numbers["change_inside"] == pytest.approx(0.4)
    assert numbers["change_outside"] == pytest.approx(0.0)
    assert numbers["seed_change_inside"] == pytest.approx(0.2)
    assert numbers["seed_change_outside"] == pytest.approx(0.2)
    assert np.isnan(numbers["change_perceptual"])


def test_a_lost_face_counts_as_not_found_and_as_wrong() -> None:
    drawn = [[picture(0, face(OWN)), picture(0, None)] for _ in WISHES]
    found = outcome_of(WISHES, PHOTOS, drawn, BASE, classified=True)
    assert found.numbers["found"] == pytest.approx(0.5)
    assert found.geometric.verdicts == 3 + 4  # seen: gender twice, expression; lost: every wish
    assert found.geometric.right == 3
    assert found.independent is not None
    assert (found.independent.right, found.independent.verdicts) == (3, 6)  # expression is not theirs to judge
    assert found.independent.by_trait.keys() == {"gender", "direction"}


def test_without_classifiers_nothing_independent_is_told() -> None:
    drawn = [[picture(0, None), picture(0, None)] for _ in WISHES]
    assert outcome_of(WISHES, PHOTOS, drawn, BASE, classified=False).independent is None


def test_spread_of_yaw_is_over_all_pictures_of_a_person() -> None:
    drawn = [[picture(0, face(OWN, yaw=yaw)) for yaw in (0, 10)], [picture(0, face(OWN, yaw=yaw)) for yaw in (20, 30)]]
    numbers = outcome_of(WISHES, PHOTOS, drawn, drawn, classified=False).numbers
    assert numbers["yaw_spread"] == pytest.approx(np.std([0, 10, 20, 30], ddof=1))
    assert numbers["pixel_diversity"] == pytest.approx(10 / 255)
    assert numbers["smile_spread"] == 0


def test_a_person_without_a_second_photo_has_no_scores() -> None:
    assert scores_of([PHOTOS[0], picture(0, None)], [PHOTOS[0]]) is None
    assert scores_of([picture(0, None), PHOTOS[1]], [PHOTOS[0]]) is None
    assert scores_of(PHOTOS, [picture(0, None)]) is None
    scores = scores_of(PHOTOS, [picture(0, None), PHOTOS[0]])
    assert scores is not None
    assert scores.generated.shape == (1, 2)


def test_one_sentence_per_row() -> None:
    with pytest.raises(ValueError, match="argument"):
        outcome_of([Traits()], PHOTOS, BASE, BASE, classified=False)


def test_several_trainings_of_a_method_count_together() -> None:
    found = [[picture(0, face(unit(1, k))) for _ in range(2)] for k in (0, 1)]
    lost = [[picture(0, face(OWN)), picture(0, None)] for _ in WISHES]
    one, other = (outcome_of(WISHES, PHOTOS, drawn, BASE, classified=True) for drawn in (found, lost))
    both = pooled([one, other])
    assert both.numbers["found"] == pytest.approx(0.75)
    assert both.numbers["change_inside"] == one.numbers["change_inside"]  # both drew the same greys
    assert both.scores is not None
    assert both.scores.generated.shape == (4 + 2, 2)
    assert (both.geometric.right, both.geometric.verdicts) == (
        one.geometric.right + other.geometric.right,
        one.geometric.verdicts + other.geometric.verdicts,
    )
    assert both.independent is not None
    assert len(both.independent.by_trait["gender"]) == 8
    assert both.independent.asked == 12


def test_a_person_without_scores_in_one_training_has_the_others() -> None:
    lost = [[picture(0, None), picture(0, None)] for _ in WISHES]
    one, other = (outcome_of(WISHES, PHOTOS, drawn, BASE, classified=False) for drawn in (lost, BASE))
    assert one.scores is None
    both = pooled([one, other])
    assert both.scores is not None
    assert both.scores.generated.shape == (4, 2)
    assert both.independent is None
