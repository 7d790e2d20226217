"""Every dial of a portrait turns something, and nothing stays turned."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from limner.apps.assembly import Assembly
from limner.apps.bases import MINIATURE, WINDOWS, Base
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, ConfigError, ImageError
from limner.diffusion.samplers import SAMPLERS
from limner.identity.identity import Identity
from tests.apps.tiny_models import SPACE
from tests.contracts.pipelines import PIPELINES

STOCK = {kind.name: kind for kind in PIPELINES}
PROMPT = "a photo of a person, smiling"
EXAMPLE = asset_path("example/person.jpg")


def far(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.fixture(scope="module")
def draw(studio: Studio, person: Identity) -> Any:
    def drawn(**changes: Any) -> np.ndarray:
        return studio.portrait(person, PROMPT, seed=4, **{"num_steps": 3, **changes})[0].image

    return drawn


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "euler-a"])
def test_samplers_by_name(draw: Any, studio: Studio, name: str) -> None:
    base: Any = studio.pipeline
    before = base.scheduler, dict(base.scheduler.config)
    usual = draw()
    picture = draw(scheduler=name)
    assert picture.std() > 5
    assert (far(picture, usual) == 0) == (name == "dpm")  # the miniature's own
    assert np.array_equal(draw(), usual)
    assert (base.scheduler, dict(base.scheduler.config)) == before


def test_a_sampler_that_cannot_follow_the_schedule_is_named(draw: Any) -> None:
    with pytest.raises(ConfigError, match="the sampler 'euler-a' ran out of numbers"):
        draw(scheduler="euler-a")


@pytest.mark.parametrize("name", SAMPLERS)
def test_stable_diffusion_takes_every_sampler(name: str) -> None:
    base: Any = STOCK["text-to-image"].build()
    bare = Studio(Assembly(Base("tiny", "sd15", None, base), None))
    [portrait] = bare.portrait(None, PROMPT, num_steps=4, adapter_scale=0, scheduler=name)
    assert portrait.image.shape == (16, 16, 3)
    assert portrait.image.std() > 0


def test_sparse_steps_are_a_switch_off_by_default(draw: Any) -> None:
    usual = draw(num_steps=6)
    assert np.array_equal(draw(num_steps=6, sparse=False), usual)
    sparse = draw(num_steps=6, sparse=True)
    assert far(sparse, usual) > 0
    assert far(sparse, draw(num_steps=6, adapter_scale=0)) > 0


def test_a_window_shows_the_person_for_a_while(draw: Any) -> None:
    whole, early, late = draw(window=(0, 1)), draw(window=(0, 0.5)), draw(window=(0.5, 1))
    nobody = draw(adapter_scale=0)
    assert min(far(early, late), far(early, whole), far(late, whole), far(early, nobody), far(late, nobody)) > 0


def test_where_no_window_is_named_the_base_has_its_own(draw: Any) -> None:
    usual = draw()
    assert np.array_equal(draw(window=WINDOWS[MINIATURE]), usual)
    assert far(draw(window=(0, 1)), usual) > 0


def test_a_run_of_one_step_shows_the_person(draw: Any) -> None:
    only = draw(num_steps=1)
    assert far(only, draw(num_steps=1, adapter_scale=0)) > 0
    assert np.array_equal(only, draw(num_steps=1, window=(0, 1)))


def test_block_scales_turn_blocks_up_and_off(draw: Any) -> None:
    whole, nobody = draw(), draw(adapter_scale=0)
    everywhere = {"down_blocks": 0.0, "mid_block": 0.0, "up_blocks": 0.0}
    assert np.array_equal(draw(block_scales=everywhere, glasses="words"), nobody)
    assert np.array_equal(draw(block_scales=dict.fromkeys(everywhere, 1.0)), whole)
    down = draw(block_scales={"down_blocks": 0.0})
    assert min(far(down, whole), far(down, nobody)) > 0
    # The longest beginning counts.
    nested = draw(block_scales={"down_blocks": 0.0, "down_blocks.0": 1.0, "down_blocks.1": 1.0})
    assert np.array_equal(nested, whole)
    halved = draw(block_scales=dict.fromkeys(everywhere, 0.5))
    assert far(halved, draw(adapter_scale=0.4)) == 0


def test_the_unguided_half_may_see_the_person(draw: Any) -> None:
    assert far(draw(face_guidance="shared"), draw()) > 0
    assert far(draw(face_guidance="shared", guidance_scale=1.0), draw(guidance_scale=1.0)) == 0


def test_a_bad_photo_counts_less(studio: Studio, person: Identity) -> None:
    """One of no quality hardly counts; the better it is, the further it takes the picture from the good one's."""
    features = person.features[SPACE]
    assert features.tokens is not None
    two = replace(features, tokens=torch.cat([features.tokens, -3 * features.tokens]))

    def drawn(who: Identity) -> np.ndarray:
        return studio.portrait(who, PROMPT, seed=4, num_steps=2, adapter_scale=4.0)[0].image.astype(float)

    def away(quality: float) -> float:
        both = replace(person, features={SPACE: two}, quality=torch.tensor([0.6, quality]))
        return float(np.abs(drawn(both) - alone).mean())

    alone = drawn(person)
    assert away(0.0) < away(0.15) < away(0.6)
    assert away(0.0) < 0.1 * away(0.6)


def test_a_picture_to_start_from(studio: Studio, person: Identity) -> None:
    def draw(strength: float, seed: int = 4) -> np.ndarray:
        return studio.portrait(person, PROMPT, start=EXAMPLE, strength=strength, seed=seed, num_steps=10)[0].image

    little, much = draw(0.1), draw(1.0)
    assert little.shape == (64, 64, 3)
    assert far(much, draw(1.0, seed=5)) > 5
    assert far(little, much) > 5
    with pytest.raises(ConfigError, match="leave no step"):
        studio.portrait(person, PROMPT, start=EXAMPLE, strength=0.1, num_steps=5)
    with pytest.raises(ImageError, match="no such file"):
        studio.portrait(person, PROMPT, start="none.png")


def test_the_start_fills_any_size_without_distortion(studio: Studio, person: Identity) -> None:
    striped = np.zeros((90, 300, 3), np.uint8)
    striped[:, 100:200] = 255
    [one] = studio.portrait(person, PROMPT, start=striped, height=72, width=48, num_steps=2, strength=0.5)
    assert one.image.shape == (72, 48, 3)


def test_the_best_of_many_are_kept_best_first(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.2, None, 0.7, 0.4, 0.1, 0.3])
    monkeypatch.setattr(Studio, "similarity", lambda *_: next(told))
    kept = studio.portrait(person, PROMPT, seed=10, count=2, best_of=3, num_steps=1)
    assert [(one.seed, one.similarity) for one in kept] == [(12, 0.7), (13, 0.4)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheduler": "dmp"}, "the sampler 'dmp' is unknown; choose one of dpm"),
        ({"window": (0.5, 0.2)}, "0 <= start < end <= 1"),
        ({"window": (0, math.nan)}, "window"),
        ({"face_guidance": "none"}, "face_guidance = 'none'"),
        ({"strength": 0.0}, "strength"),
        ({"best_of": 0}, "best_of = 0"),
        ({"block_scales": {"down_blocks": "much"}}, "block_scales.down_blocks = 'much'"),
        ({"block_scales": {"down_blocks": math.nan}}, "block_scales"),
    ],
)
def test_dials_out_of_range_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PortraitSettings.of(prompt=PROMPT, **changes)


def test_a_block_that_is_not_there_is_named(draw: Any) -> None:
    with pytest.raises(AdapterError, match=r"no block that begins with 'up'; its blocks are down_blocks"):
        draw(block_scales={"up": 0.5})
