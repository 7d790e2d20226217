"""The benchmark of the way: whom it leaves to the judge, that it goes every step, and what it compares."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limner.core.assets import asset_path
from limner.core.errors import InputError
from limner.core.images import read_image
from limner.data.shard_index import ShardIndex
from limner.faces.alignment import align
from limner.faces.detection import FaceDetector
from limner.identity.recognition import GuideRecognizer
from tests.apps.evaluation_desk import write_people
from tests.apps.tiny_models import save_tiny_miniature


def test_every_step_is_told(opened: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny_miniature(tmp_path / "model")
    shards = write_people(tmp_path / "people", people=3)
    opened("guide_way").main(shards, tmp_path / "model", None, 1, 2, 3, 2.0, 0.8, 0.3)
    title, *rows = capsys.readouterr().out.splitlines()
    assert "2 people, 4 pictures" in title
    timesteps = [int(row.split()[0]) for row in rows if row.split() and row.split()[0].isdigit()]
    assert len(timesteps) == 3
    assert timesteps == sorted(timesteps, reverse=True)


def test_the_judges_people_are_left_out(opened: Any, tmp_path: Path) -> None:
    index = ShardIndex(write_people(tmp_path, people=4))
    chosen = opened("guide_way").people_after(index, 2, 24)
    assert [who[0].person for who in chosen] == ["generated-00002", "generated-00003"]
    with pytest.raises(InputError, match="--skip"):
        opened("guide_way").people_after(index, 3, 24)


def test_the_cosine_is_that_of_the_face_in_the_picture(opened: Any) -> None:
    module, detector, guide = opened("guide_way"), FaceDetector(), GuideRecognizer()
    photo = read_image(asset_path("example/person.jpg"))
    own = guide.embed([align(photo, detector.detect(photo)[0].landmarks)]).vector
    small = np.asarray(Image.fromarray(photo).resize((128, 128), Image.Resampling.LANCZOS))
    assert module._cosine(small, own, detector, guide) > 0.6
    assert module._cosine(small, -own, detector, guide) < -0.6
    assert np.isnan(module._cosine(np.zeros_like(small), own, detector, guide))
