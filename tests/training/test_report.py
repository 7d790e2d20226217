"""The report of a run: curves, pictures and ratios in one file that needs nothing else."""

import re
from pathlib import Path

import numpy as np

from limner.systems.contract import Inspection
from limner.training.charts import line_chart
from limner.training.gallery import Gallery, sample_rows
from limner.training.log import Log, read_log
from limner.training.report import write_report


def picture(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


def test_a_curve_keeps_its_extremes_and_its_order() -> None:
    chart = line_chart("a <loss>", [(10.0, 4.0), (20.0, 2.0), (30.0, 3.0), (40.0, float("nan"))])
    assert "a &lt;loss&gt;: last 3" in chart
    points = [tuple(map(float, p.split(","))) for p in re.findall(r'points="([^"]*)"', chart)[0].split()]
    across, down = zip(*points, strict=True)
    assert len(points) == 3
    assert list(across) == sorted(across)
    assert down[0] < down[2] < down[1]  # SVG counts downwards
    assert ">4</text>" in chart
    assert ">2</text>" in chart


def test_a_long_curve_is_thinned_and_an_empty_one_says_so() -> None:
    chart = line_chart("loss", [(float(i), float(i % 2)) for i in range(10_000)])
    assert len(re.findall(r'points="([^"]*)"', chart)[0].split()) <= 400
    assert "no values yet" in line_chart("loss", [])
    assert "points" in line_chart("flat", [(1.0, 2.0)])


def test_the_report_holds_everything_itself(tmp_path: Path) -> None:
    log, gallery = Log(tmp_path / "log.csv"), Gallery(tmp_path)
    for step in (10, 20):
        log.append(step, {"seconds": step / 5, "denoising": 1 / step, "increment": step / 100})
        gallery.add(step, Inspection([picture(step), picture(2 * step)], {"mid.0": step / 1000, "up.<1>": 0.5}))
    page = write_report(tmp_path).read_text()
    assert "20 steps in 4 seconds (5.00 steps a second)" in page
    assert page.count("<svg") == 2
    assert page.count("data:image/png;base64,") == 4
    assert "<td>mid.0</td><td>0.0100</td><td>0.0200</td>" in page
    assert "up.&lt;1&gt;" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page


def test_a_report_without_anything_is_a_page_too(tmp_path: Path) -> None:
    assert "No step has been logged yet" in write_report(tmp_path).read_text()


def test_many_looks_are_thinned_first_and_last_stay(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    for step in range(1, 31):
        gallery.add(step, Inspection([picture(step)], {}))
    page = write_report(tmp_path).read_text()
    assert page.count("<img") == 12
    assert "step 1<br>" in page
    assert "step 30<br>" in page


def test_looks_after_the_last_saved_step_are_forgotten(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    for step in (5, 10, 15):
        gallery.add(step, Inspection([picture(step)], {"mid": float(step)}))
    gallery.forget_after(10)
    assert [step for step, _ in sample_rows(tmp_path)] == [5, 10]
    assert [row["step"] for row in read_log(tmp_path / "ratios.csv")] == [5, 10]


def test_a_log_cut_off_in_its_header_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,sec")
    log = Log(path)
    log.forget_after(0)
    log.append(1, {"seconds": 1.0})
    assert read_log(path) == [{"step": 1.0, "seconds": 1.0}]
    assert read_log(tmp_path / "none.csv") == []
