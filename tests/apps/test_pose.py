"""`--pose`: the model's own ControlNet follows a photo, beside the person, and is told in the record."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.assembly import Assembly
from limner.apps.bases import Base
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import ConfigError, ImageError, NoFaceError
from limner.core.images import read_image
from limner.identity.identity import Identity
from tests.apps.conftest import Exits
from tests.contracts.pipelines import PIPELINES

EXAMPLE = asset_path("example/person.jpg")
PROMPT = "a photo of a person"


def test_a_pose_is_followed_beside_the_person(studio: Studio, person: Identity) -> None:
    def draw(**changes: Any) -> Any:
        return studio.portrait(person, PROMPT, seed=2, num_steps=2, **changes)[0]

    mirrored = np.ascontiguousarray(read_image(EXAMPLE)[:, ::-1])
    plain, followed, turned = draw(), draw(control=studio.pose(EXAMPLE)), draw(control=studio.pose(mirrored))
    assert (followed.image != plain.image).any()
    assert (followed.image != turned.image).any()
    assert np.array_equal(draw(control=studio.pose(EXAMPLE, scale=0.0)).image, plain.image)
    assert (draw(control=studio.pose(EXAMPLE), adapter_scale=0).image != followed.image).any()
    assert np.array_equal(draw().image, plain.image)
    assert "miniature-pose" in followed.making.licences
    assert "miniature-pose" not in plain.making.licences


def test_a_base_without_one_says_so(studio: Studio, tmp_path: Path) -> None:
    stock: Any = next(kind for kind in PIPELINES if kind.name == "text-to-image").build()
    bare = Studio(Assembly(Base("tiny", "sd15", tmp_path, stock), None))
    with pytest.raises(ConfigError, match=r"tiny brings no ControlNet of its own.*--control"):
        bare.pose(EXAMPLE)
    with pytest.raises(ConfigError, match="control scale is -1"):
        studio.pose(EXAMPLE, scale=-1)
    with pytest.raises(ImageError, match="no such file"):
        studio.pose("none.png")
    wall = studio.pose(np.full((64, 64, 3), 200, np.uint8))
    with pytest.raises(NoFaceError):
        studio.portrait(None, PROMPT, adapter_scale=0, num_steps=1, control=wall)


def test_from_the_command_line(command: Exits, miniature_folder: Path, tmp_path: Path) -> None:
    start = ("portrait", PROMPT, "--model", miniature_folder, "--device", "cpu", "--steps", "1", "--count", "1")
    assert command(*start, "--pose", EXAMPLE, "--control-scale", "0.7", "-o", tmp_path / "out")[0] == 0
    record = json.loads((tmp_path / "out" / "portrait.json").read_text())
    assert "miniature-pose" in [terms["name"] for terms in record["licences"]]
    both = (*start, "--pose", EXAMPLE, "--control-photo", EXAMPLE, "-o", tmp_path / "new")
    code, _, errors = command(*both)
    assert (code, "--pose and --control were both given" in errors, (tmp_path / "new").exists()) == (2, True, False)
