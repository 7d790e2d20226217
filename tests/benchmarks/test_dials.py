"""The benchmark behind likeness and variety: every cell is drawn as it says, and what it writes is what is read."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from limner.apps.assembly import open_adapter, own_adapter
from limner.apps.bases import open_base
from limner.apps.dial_table import FILE, DialTable
from limner.core.errors import ConfigError
from limner.evaluation.comparison import BASE
from limner.evaluation.intervals import Measured
from limner.evaluation.protocol import Protocol
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature
from tests.evaluation.examples import outcome

RULES = Protocol(name="dials", people=2, seeds=2, steps=2, wishes=({"direction": "left"},))


def test_cells_are_drawn_measured_and_written(opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dials = opened("dials")
    monkeypatch.setattr(dials, "SCALES", (0.5, 1.0))
    monkeypatch.setattr(dials, "STARTS", (0.0,))
    monkeypatch.setattr(dials, "GUIDANCE", (1.5,))
    monkeypatch.setattr(dials, "open_instruments", lambda *_, **__: (SimpleNamespace(features=None), ["a note"]))
    drawn: dict[str, np.ndarray] = {}

    def compare(people: Any, methods: Any, rules: Any, instruments: Any, **_: Any) -> Any:
        first = next(iter(methods.values()))
        person = first.identity(people[0].photos[0])
        drawn[BASE] = first.draw(None, "a photo of a man", seed=3, count=1)[0]
        drawn.update({key: one.draw(person, "a photo of a man", seed=3, count=1)[0] for key, one in methods.items()})
        likeness = {key: 0.3 + 0.1 * number for number, key in enumerate(drawn)}
        return SimpleNamespace(
            outcomes={key: [outcome(n, likeness=one, method=key) for n in range(2)] for key, one in likeness.items()}
        )

    monkeypatch.setattr(dials, "compare", compare)
    folder = tmp_path / "model"
    save_tiny_miniature(folder)
    base = open_base(folder, device="cpu")
    path = own_adapter(base)
    assert path is not None
    adapter = open_adapter(path, base)
    shards = write_people(tmp_path / "people")
    cells, about = dials.measure(base, adapter, RULES, shards, None, tmp_path / "work")
    # Usual, early, shared, guided: at two scales each, and the guided one also without the face.
    assert len(drawn) == 1 + 4 * 2 + 1
    assert len({picture.tobytes() for picture in drawn.values()}) == len(drawn)
    assert len(cells) == 4 * 3
    assert about["variety_by"] == "pixel_diversity"
    unshown = [cell.likeness.value for cell in cells if cell.scale == 0]
    assert unshown[0] == unshown[1] == unshown[2] != unshown[3]

    report = {**about, "date": "today", "machine": "m", "cores": 1, "threads": 1, "load": 0, "torch": "t"}
    made = dials.table(cells, adapter, RULES, report)
    dials.write_table(path, made)
    assert DialTable.read(folder / FILE) == made
    assert [way.scales for way in made.ways] == [(0.0, 0.5, 1.0)] * 4
    assert made.ways[1].window == (0.0, 1.0)
    assert made.ways[3].guidance_scale == 1.5 * base.guidance_scale

    alike = [replace(cell, gain=Measured(0.1, -0.05, 0.2)) for cell in cells]
    with pytest.raises(ConfigError, match="nothing that a dial could turn"):
        dials.table(alike, adapter, RULES, report)

    page = tmp_path / dials.PAGE
    page.write_text((Path(dials.__file__).parents[1] / "docs" / dials.PAGE).read_text())
    dials.draw_page(tmp_path, cells, report)
    assert page.read_text().count("| shared face guidance |") == 3
    curves = (tmp_path / "pictures" / dials.CURVES).read_text()
    assert curves.count("<polyline") == 4
    assert curves.count("<circle") == len(cells)
    assert json.dumps(report)
