"""What was asked against what was seen."""

import pytest

from limner.data.captions import Traits
from limner.evaluation.agreement import measure_agreement, prompt_for


def test_the_sentence_names_every_trait() -> None:
    wish = Traits(gender="woman", age="old", expression="smiling", glasses="yes", background="blue", style="oil")
    assert prompt_for(wish) == "an oil painting of an old woman, smiling, with glasses, blue background"
    assert prompt_for(Traits()) == "a photo of a person"
    assert prompt_for(Traits(direction="left")) == "a photo of a person, looking to the left"


def test_right_wrong_and_undecided() -> None:
    wish = Traits(expression="smiling", glasses="yes", direction="left")
    seen = Traits(expression="smiling", glasses="no", direction=None)
    agreement = measure_agreement([[wish]], [[seen]], seed=0)
    assert agreement.overall.value == pytest.approx(0.5)
    assert agreement.verdicts == 2
    assert agreement.asked == 3
    assert agreement.by_trait == {"expression": 1.0, "glasses": 0.0}


def test_a_picture_without_a_face_is_wrong() -> None:
    agreement = measure_agreement([[Traits(expression="smiling")]], [[None]], seed=0)
    assert agreement.overall.value == 0
    assert agreement.verdicts == 1


def test_the_interval_is_over_people() -> None:
    right, wrong = [Traits(expression="smiling")], [Traits(expression="serious")]
    agreement = measure_agreement([right] * 20, [right] * 10 + [wrong] * 10, seed=0)
    assert agreement.overall.value == pytest.approx(0.5)
    assert agreement.overall.low < 0.4 < 0.6 < agreement.overall.high
