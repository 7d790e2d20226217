"""Identity guidance from the outside: whose default it is, where it cannot be had, and what it does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.apps.assembly import assemble
from limner.apps.bases import IDENTITY_GUIDANCES, MINIATURE, open_base
from limner.apps.completion import completed
from limner.apps.evaluation_methods import settled
from limner.apps.settings import GroupSettings, PortraitSettings
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import ConfigError
from limner.evaluation.protocol import protocol_named
from limner.evaluation.roles import require_independent, took_part
from limner.identity.identity import Identity
from limner.identity.recognition import GUIDE_SPACE
from tests.apps.tiny_models import save_tiny_miniature


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided") / "model"
    save_tiny_miniature(folder)
    return folder


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio.open("miniature", device="cpu")


@pytest.fixture(scope="module")
def person(studio: Studio) -> Identity:
    return studio.identity(asset_path("example/person.jpg"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, IDENTITY_GUIDANCES[MINIATURE]),
        ({"identity_guidance": 0.3}, 0.3),
        ({"identity_guidance": 0.0}, 0.0),
        ({"fast": True}, 0.0),
        ({"fast": True, "identity_guidance": 0.2}, 0.2),
        ({"scheduler": "euler"}, 0.0),
        ({"scheduler": "ddim"}, IDENTITY_GUIDANCES[MINIATURE]),
    ],
)
def test_the_base_says_how_far_where_it_can_be_had(model: Path, asked: dict[str, Any], found: float) -> None:
    settings = PortraitSettings.of(prompt="a man", **asked)
    assert completed(settings, assemble(model, device="cpu"), pixels=64).identity_guidance == found


def test_a_picture_of_several_people_has_none(model: Path) -> None:
    settings = GroupSettings.of(prompt="two men")
    assert completed(settings, assemble(model, device="cpu"), pixels=64).identity_guidance == 0


def test_other_bases_have_none_of_their_own(model: Path) -> None:
    base = open_base(model, device="cpu")
    object.__setattr__(base, "kind", "sd15")
    assert base.identity_guidance == 0


def test_it_brings_the_picture_nearer_to_the_person(studio: Studio, person: Identity) -> None:
    near, far = (
        studio.portrait(person, "a photo of a woman", seed=7, count=4, num_steps=12, identity_guidance=pull)
        for pull in (0.12, 0.0)
    )
    guided, plain = (np.mean([one.similarity or 0.0 for one in pictures]) for pictures in (near, far))
    # 0.09 was measured, by the guide, which only shows that it is heard.
    assert guided > plain + 0.04
    changed = np.abs(near[0].image.astype(int) - far[0].image)
    # A little in the face, next to nothing in the corners; another seed changes 34.
    assert 1 < changed[40:90, 40:90].mean() < 25
    assert changed[:16, :16].mean() < 3


def test_pictures_drawn_side_by_side_are_nearly_those_drawn_alone(studio: Studio, person: Identity) -> None:
    alone = studio.portrait(person, "a photo of a woman", seed=8, num_steps=12)[0].image.astype(int)
    beside = studio.portrait(person, "a photo of a woman", seed=7, num_steps=12, count=2)[1].image
    # Rounding grows with each correction: 3 of 255 were measured, another seed changes 34.
    assert np.abs(alone - beside).mean() < 8


def test_the_same_call_gives_the_same_picture(studio: Studio, person: Identity) -> None:
    one, other = (studio.portrait(person, "a man", seed=5, num_steps=4, count=2)[1].image for _ in range(2))
    assert np.array_equal(one, other)


def test_at_scale_0_nobody_looks_on(studio: Studio, person: Identity) -> None:
    plain, guided = (
        studio.portrait(person, "a man", seed=3, num_steps=3, adapter_scale=0.0, identity_guidance=pull)[0].image
        for pull in (0.0, 0.5)
    )
    assert np.array_equal(plain, guided)


def test_the_bases_own_sampler_is_left_alone(studio: Studio, person: Identity) -> None:
    before = vars(studio.pipeline.scheduler).get("step")
    studio.portrait(person, "a man", seed=3, num_steps=3)
    assert vars(studio.pipeline.scheduler).get("step") is before is None


def test_it_is_refused_with_other_samplers_and_for_several_people(studio: Studio, person: Identity) -> None:
    with pytest.raises(ConfigError, match="dpm, ddim or unipc"):
        studio.portrait(person, "a man", num_steps=3, scheduler="euler", identity_guidance=0.1)
    with pytest.raises(ConfigError, match="one person"):
        studio.group([person, person], "two women", num_steps=3, identity_guidance=0.1)


def test_a_person_without_the_guides_features_is_drawn_without_it(studio: Studio, person: Identity) -> None:
    features = {space: one for space, one in person.features.items() if space != GUIDE_SPACE}
    blank = Identity(features, person.quality, person.pose)
    guided, plain = (
        studio.portrait(blank, "a man", num_steps=3, identity_guidance=pull)[0].image for pull in (0.2, 0.0)
    )
    assert np.array_equal(guided, plain)


def test_a_report_says_that_it_guided_and_refuses_it_as_a_judge(model: Path) -> None:
    rules = settled(protocol_named("miniature"), open_base(model, device="cpu"))
    assert rules.identity_guidance == IDENTITY_GUIDANCES[MINIATURE]
    assert protocol_named("ablation").identity_guidance == 0
    part = took_part({}, guides=[GUIDE_SPACE])
    assert part.spaces == {GUIDE_SPACE: "guided the drawing"}
    with pytest.raises(ConfigError, match="guided the drawing"):
        require_independent(GUIDE_SPACE, part)
