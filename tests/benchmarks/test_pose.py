"""The benchmark of the pose: a face that is where it shall be is off by nothing, and people without a face are told."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.images import read_image
from limner.data.shard_index import ShardIndex
from limner.evaluation.people import people_of
from limner.evaluation.protocol import protocol_named
from limner.identity.recognition import GuideRecognizer
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature


def test_what_follows_is_told_from_what_does_not(opened: Any, tmp_path: Path, monkeypatch: Any) -> None:
    pose = opened("pose")
    monkeypatch.setattr(pose, "open_judge", lambda space: GuideRecognizer())
    save_tiny_miniature(tmp_path / "model")
    studio = Studio.open(tmp_path / "model", device="cpu")
    people = people_of(ShardIndex(write_people(tmp_path / "people")), protocol_named("quick", people=2))
    photo = np.ascontiguousarray(read_image(asset_path("example/person.jpg"))[::3, ::3])
    shifted = np.roll(photo, 26, axis=1)  # a tenth of the side
    followed: list[float] = []

    def portrait(identity: Any, prompt: str, *, control: Any, **_: Any) -> list[Any]:
        followed.append(0.0 if control is None else control.scale)
        if control is None:
            return [SimpleNamespace(image=shifted), SimpleNamespace(image=np.zeros_like(photo))]
        return [SimpleNamespace(image=photo)] * 2

    monkeypatch.setattr(studio, "portrait", portrait)
    found = pose.measure(studio, people, pose.Ruler(), seeds=2, steps=1)
    assert followed == [0.0, 0.5, 1.0] * 2
    np.testing.assert_allclose(found[0.0]["mesh"], 10, atol=1.5)
    assert (found[1.0]["mesh"] < 1.5).all()
    assert (found[1.0]["likeness"] > 0.9).all()
    assert found[0.0]["found"].tolist() == [0.5, 0.5]
    lines = pose.told(found).splitlines()
    assert len(lines) == 2 + len(pose.MEASURES)
    assert lines[2].startswith("| distance of the meshes")
    assert "1.00 [1.00, 1.00]" in lines[-1]
