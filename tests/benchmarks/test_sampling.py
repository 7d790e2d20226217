"""The benchmark of samplers: what it calls contrast and clipped, and that it draws what it is asked."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from limner.core.errors import ConfigError
from limner.core.images import read_image
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature


def test_tones_by_hand(opened: Any) -> None:
    halves = np.zeros((4, 4, 3), np.uint8)
    halves[:2] = 255
    red = np.full((4, 4, 3), (204, 102, 102), np.uint8)
    tones = opened("sampling").tones
    assert tones([halves]) == pytest.approx({"mean": 0.5, "contrast": 0.5, "saturation": 0, "clipped": 1})
    assert tones([red]) == pytest.approx({"mean": 8 / 15, "contrast": 0, "saturation": 0.4, "clipped": 0})
    assert tones([halves, red])["saturation"] == pytest.approx(0.2)


def test_every_setting_is_drawn_and_told(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampling = opened("sampling")
    mean_colours = lambda pictures: SimpleNamespace(pooled=torch.tensor(np.stack([p.mean((0, 1)) for p in pictures])))  # noqa: E731
    monkeypatch.setattr(sampling, "FeatureNetwork", lambda path: SimpleNamespace(features=mean_colours))
    save_tiny_miniature(tmp_path / "model")
    shards = write_people(tmp_path / "people", people=2)
    sampling.main("2:1,1:2:euler", shards, tmp_path / "out", str(tmp_path / "model"), 2, 0.0)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["setting"] for row in rows] == ["photos", "2 steps, guidance 1", "1 steps, guidance 2, euler"]
    assert rows[1]["pictures"] == 4
    assert rows[1]["frechet"] != rows[2]["frechet"]
    assert read_image(tmp_path / "out" / "sampling.png").ndim == 3


@pytest.mark.parametrize("text", ["fast", "8:fast", "8:2:rocket"])
def test_a_setting_that_is_none_is_refused(opened: Any, text: str) -> None:
    with pytest.raises(ConfigError):
        opened("sampling").Setting.read(text)
