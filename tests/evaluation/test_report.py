"""The report and its page."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from limner.evaluation.comparison import BASE, Comparison, Shown
from limner.evaluation.metrics import METRICS
from limner.evaluation.page import page, told
from limner.evaluation.protocol import protocol_named
from limner.evaluation.report import as_json, report_group
from tests.evaluation.examples import outcome, person

RULES = protocol_named("miniature")


@pytest.fixture
def comparison() -> Comparison:
    found = Comparison()
    rng = np.random.default_rng(0)
    for number in range(4):
        found.people.append(person(number))
        found.real.append(rng.standard_normal((2, 6)))
        for method in (BASE, "fact", "no-fair"):
            made = outcome(number, likeness=0.9 if method == "fact" else 0.5, method=method)
            found.outcomes[method].append(made)
    picture = np.full((8, 8, 3), 100, np.uint8)
    by_method = {name: [picture] * len(RULES.wishes) for name in found.outcomes}
    found.shown.append(Shown("generated-00000", picture, by_method))
    return found


def report_of(comparison: Comparison) -> dict:
    group = report_group(comparison, RULES, reference="fact")
    return as_json({"generated": group}, RULES, roles={"dlib": "judge"}, notes=["<tag> & note"])


def test_the_report_is_plain_json_with_every_method_and_metric(comparison: Comparison) -> None:
    report = json.loads(json.dumps(report_of(comparison), allow_nan=False))
    group = report["groups"]["generated"]
    assert list(group["methods"]) == [BASE, "fact", "no-fair"]
    assert all(method["metrics"].keys() == {metric.key for metric in METRICS} for method in group["methods"].values())
    assert group["methods"]["fact"]["metrics"]["relative_change_perceptual"]["value"] is None
    assert group["people"] == 4
    assert group["pictures_each"] == 6 * 3


def test_differences_are_from_the_reference(comparison: Comparison) -> None:
    methods = report_of(comparison)["groups"]["generated"]["methods"]
    assert methods["fact"]["difference"] == {}
    assert methods["no-fair"]["difference"]["to_other"]["high"] < 0


def test_bins_cover_everybody_once(comparison: Comparison) -> None:
    bins = report_of(comparison)["groups"]["generated"]["methods"]["fact"]["bins"]
    assert bins.keys() == {"age", "skin tone", "turned by"}
    assert all(sum(entry["people"] for entry in labels.values()) == 4 for labels in bins.values())
    assert len(bins["age"]) == 4
    assert bins["skin tone"].keys() == {"medium"}


def test_the_frechet_distance_is_told_with_its_numbers(comparison: Comparison) -> None:
    rng = np.random.default_rng(1)
    for outcomes in comparison.outcomes.values():
        outcomes[:] = [one.__class__(**{**vars(one), "features": rng.standard_normal((3, 6))}) for one in outcomes]
    distance = report_of(comparison)["groups"]["generated"]["methods"]["fact"]["distance"]
    assert (distance["pictures"], distance["photos"]) == (12, 8)
    assert distance["frechet"]["low"] <= distance["frechet"]["value"]


def test_the_distance_to_other_people_is_told_beside_it(comparison: Comparison) -> None:
    rng = np.random.default_rng(1)
    for outcomes in comparison.outcomes.values():
        outcomes[:] = [one.__class__(**{**vars(one), "features": rng.standard_normal((3, 6))}) for one in outcomes]
    others = np.random.default_rng(2).standard_normal((50, 6)) + 3
    group = report_group(comparison, RULES, reference="fact", unseen=others)
    method = group.methods["fact"]
    assert method.distance is not None
    assert method.unseen is not None
    assert (method.unseen.pictures, method.unseen.photos) == (12, 50)
    assert method.unseen.frechet.value > method.distance.frechet.value + 6 * 3**2 / 2
    told_page = page(as_json({"generated": group}, RULES, roles={}, notes=[]), {}, title="")
    assert told_page.count("whom no training saw") == 3
    assert "whom no training saw" not in page(report_of(comparison), {}, title="")


def test_the_page_is_one_file_with_pictures_and_no_scripts(comparison: Comparison) -> None:
    text = page(report_of(comparison), {"generated": comparison.shown}, title="A <b>")
    assert text.count("data:image/jpeg;base64,") == 1 + 3 * 6
    assert "<script" not in text
    assert "http" not in text
    assert "A &lt;b&gt;" in text
    assert "&lt;tag&gt; &amp; note" in text
    assert "no-fair" in text
    assert "generated-00000" in text


def test_every_tag_is_closed(comparison: Comparison) -> None:
    open_tags: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "img"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Checker().feed(page(report_of(comparison), {"generated": comparison.shown}, title="t"))
    assert open_tags == []


def test_a_value_is_told_with_its_interval() -> None:
    assert told({"value": 0.5, "low": 0.4, "high": 0.61234}) == "0.500 [0.400, 0.612]"
    assert told({"value": 0.5, "low": 0.4, "high": 0.6}, signed=True) == "+0.500 [+0.400, +0.600]"
    assert told({"value": None, "low": None, "high": None}) == "-"
    assert told({"value": 1.0, "low": None, "high": None}) == "1.000"
