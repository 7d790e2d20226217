"""The table of people, its metrics and differences, and whose interval it is."""

import numpy as np
import pytest

from limner.evaluation.metrics import METRICS, differences, measure_all, table_of
from tests.evaluation.examples import outcome

METHOD = "fact"


def test_every_metric_reads_columns_that_exist() -> None:
    table = table_of([outcome(number) for number in range(4)])
    assert {column for metric in METRICS for column in metric.columns} <= table.keys()
    assert all(column.shape == (4,) for column in table.values())


def test_known_numbers() -> None:
    measured = measure_all(table_of([outcome(number, method=METHOD) for number in range(4)]), seed=0)
    assert measured["found"].value == 1
    assert measured["relative_change_outside"].value == pytest.approx(5.1)  # 51 grey levels, seeds differ by 10
    assert measured["agreement_independent"].value == pytest.approx(1.0)
    assert measured["agreement_geometric"].value == pytest.approx(1.0)  # the direction has no verdict
    assert measured["to_other"].value == pytest.approx(measured["to_reference"].value)


def test_a_likeness_is_placed_between_strangers_and_photos() -> None:
    near = measure_all(table_of([outcome(number) for number in range(5)]), seed=0)
    far = measure_all(table_of([outcome(number, likeness=0.0) for number in range(5)]), seed=0)
    assert near["share"].value == pytest.approx(1.0, abs=0.02)
    assert far["share"].value == pytest.approx(0.0, abs=0.02)


def test_more_pictures_of_the_same_people_do_not_narrow_the_interval() -> None:
    """Twelve people differ; two or twenty pictures of each are the same pictures again."""
    lean = np.linspace(0.2, 1.0, 12)
    widths = []
    for seeds in (2, 20):
        table = table_of([outcome(number, likeness=float(lean[number]), seeds=seeds) for number in range(12)])
        found = measure_all(table, seed=0)["to_other"]
        widths.append(found.high - found.low)
        assert found.high - found.low == pytest.approx(2 * 1.96 * table["to_other"].std() / np.sqrt(12), rel=0.15)
    assert widths[1] == pytest.approx(widths[0], rel=1e-3)


def test_a_difference_is_between_the_same_people() -> None:
    lean = np.linspace(0.3, 0.9, 8)
    better = table_of([outcome(number, likeness=float(lean[number]) + 0.1) for number in range(8)])
    worse = table_of([outcome(number, likeness=float(lean[number])) for number in range(8)])
    found = differences(better, worse, seed=0)
    assert found["to_other"].excludes_zero
    assert found["to_other"].low > 0
    assert found["found"].value == 0
    assert measure_all(better, seed=0)["to_other"].low < measure_all(worse, seed=0)["to_other"].high  # unpaired


def test_what_nobody_measured_has_no_number() -> None:
    measured = measure_all(table_of([outcome(number) for number in range(3)]), seed=0)
    assert np.isnan(measured["relative_change_perceptual"].value)
