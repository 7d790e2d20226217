"""A person and a sentence in, portraits out: on the miniature, Stable Diffusion 1.5 and XL, all tiny."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import limner
from limner.apps import drawing
from limner.apps.portraits import Order, Portrait
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import AdapterError, ConfigError, FeatureSpaceError, PromptError, RefusedError
from limner.core.images import read_image
from limner.identity.identity import Identity
from limner.identity.recognition import GUIDE_SPACE
from tests.apps.tiny_models import SPACE, save_tiny_encoder, tiny_fact, tiny_miniature
from tests.contracts.pipelines import PIPELINES

PROMPT = "a photo of a person, smiling"
STOCK = {kind.name: kind for kind in PIPELINES}
MAX_ROUNDING = 1
"""Pictures drawn beside others may differ by rounding: by so many grey levels of 255."""


def far(a: np.ndarray, b: np.ndarray) -> int:
    """Largest difference in grey levels."""
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_both_names_come_from_the_package_when_they_are_asked_for() -> None:
    assert limner.Studio is Studio
    assert limner.Identity is Identity
    assert {"Identity", "Studio"} <= set(dir(limner))
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        limner.Painter  # noqa: B018
    code = "import sys, limner; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_portraits(studio: Studio, person: Identity) -> None:
    portraits = studio.portrait(person, PROMPT, count=3, seed=7, num_steps=2)
    assert [portrait.seed for portrait in portraits] == [7, 8, 9]
    for portrait in portraits:
        assert portrait.image.shape == (64, 64, 3)
        assert portrait.image.dtype == np.uint8
        assert portrait.similarity is None  # random weights draw no face
        assert portrait.settings.guidance_scale == 2.0
        assert (portrait.settings.height, portrait.settings.width) == (64, 64)
    assert far(portraits[0].image, portraits[1].image) > 5


def test_the_same_seed_gives_the_same_bytes(studio: Studio, person: Identity) -> None:
    first, second = (studio.portrait(person, PROMPT, count=2, seed=3, num_steps=2) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_a_picture_depends_on_its_seed_not_on_its_neighbours(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = studio.portrait(person, PROMPT, count=5, seed=7, num_steps=2)
    monkeypatch.setattr(drawing, "MAX_PICTURES_PER_CALL", 2)
    in_chunks = studio.portrait(person, PROMPT, count=5, seed=7, num_steps=2)
    [alone] = studio.portrait(person, PROMPT, seed=9, num_steps=2)
    assert far(together[2].image, alone.image) <= MAX_ROUNDING
    assert max(far(a.image, b.image) for a, b in zip(together, in_chunks, strict=True)) <= MAX_ROUNDING


def drawn_together(studio: Studio, orders: list[Order]) -> list[list[Portrait]]:
    drawn = studio.draw_together(orders)
    return [portraits for portraits in drawn if not isinstance(portraits, RefusedError)]


def test_one_refusal_does_not_stop_the_others(studio: Studio, person: Identity) -> None:
    orders = [Order(person, PortraitSettings(prompt=prompt, num_steps=2)) for prompt in ("a nude person", PROMPT)]
    refused, drawn = studio.draw_together(orders)
    assert isinstance(refused, RefusedError)
    assert isinstance(drawn, list)
    assert far(drawn[0].image, studio.draw(person, orders[1].settings)[0].image) <= MAX_ROUNDING


def test_different_people_prompts_and_seeds_share_a_pass(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = asset_path("example/person.jpg")
    twice = studio.identity([photo, read_image(photo)[:, ::-1]])  # two photos: more face tokens than the other has
    orders = [
        Order(person, PortraitSettings(prompt=PROMPT, seed=7, count=2, num_steps=2)),
        Order(twice, PortraitSettings(prompt="glasses", negative_prompt="a hat", seed=3, num_steps=2)),
    ]
    calls: list[int] = []
    run = drawing._Call.run
    monkeypatch.setattr(drawing._Call, "run", lambda self, step: calls.append(len(self.rows)) or run(self, step))
    together = drawn_together(studio, orders)
    assert calls == [3]
    assert [[portrait.seed for portrait in portraits] for portraits in together] == [[7, 8], [3]]
    for order, portraits in zip(orders, together, strict=True):
        alone = studio.draw(order.identity, order.settings)
        assert max(far(a.image, b.image) for a, b in zip(portraits, alone, strict=True)) <= MAX_ROUNDING
        assert [portrait.settings for portrait in portraits] == [portrait.settings for portrait in alone]
    swapped = [Order(twice, orders[0].settings), Order(person, orders[1].settings)]
    for a, b in zip(together, drawn_together(studio, swapped), strict=True):
        assert far(a[0].image, b[0].image) > 0


def test_orders_that_cannot_share_a_pass_are_refused(studio: Studio, person: Identity) -> None:
    settings = PortraitSettings(prompt=PROMPT, num_steps=2)
    other = settings.model_copy(update={"num_steps": 3})
    with pytest.raises(ConfigError, match="num_steps is 2 in one order and 3 in another"):
        studio.draw_together([Order(person, settings), Order(person, other)])
    with pytest.raises(AdapterError, match="no person was given"):
        studio.draw_together([Order(person, settings), Order(None, settings)])


def test_progress_counts_the_steps_of_all_calls(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MAX_PICTURES_PER_CALL", 2)
    told: list[tuple[int, int]] = []
    studio.portrait(person, PROMPT, count=3, num_steps=2, progress=lambda *step: told.append(step))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_large_pictures_are_drawn_in_smaller_groups(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MAX_PIXELS_PER_CALL", 64 * 64)
    told: list[tuple[int, int]] = []
    studio.portrait(person, PROMPT, count=2, num_steps=1, progress=lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]


def test_the_person_matters_and_scale_0_is_the_stock_pipeline(studio: Studio, person: Identity) -> None:
    pipeline: Any = studio.pipeline

    def stock() -> np.ndarray:
        output = pipeline(
            PROMPT,
            num_inference_steps=2,
            guidance_scale=2.0,
            generator=[torch.Generator().manual_seed(4)],
            output_type="np",
        )
        return (output.images[0] * 255).round().astype(np.uint8)

    before = stock()
    [drawn] = studio.portrait(person, PROMPT, seed=4, num_steps=2)
    [plain] = studio.portrait(person, PROMPT, seed=4, num_steps=2, adapter_scale=0)
    [nobody] = studio.portrait(None, PROMPT, seed=4, num_steps=2, adapter_scale=0)
    assert far(drawn.image, plain.image) > 5
    assert np.array_equal(plain.image, before)
    assert np.array_equal(nobody.image, before)
    assert np.array_equal(stock(), before)


def test_words_size_and_several_photos_matter(studio: Studio, person: Identity) -> None:
    photo = asset_path("example/person.jpg")
    twice = studio.identity([photo, read_image(photo)[:, ::-1]])
    assert twice.num_photos == 2

    def draw(identity: Identity = person, prompt: str = PROMPT, **changes) -> np.ndarray:
        return studio.portrait(identity, prompt, seed=1, num_steps=2, **changes)[0].image

    base = draw()
    for other in (draw(twice), draw(prompt="glasses"), draw(negative_prompt="glasses"), draw(guidance_scale=1.0)):
        assert far(base, other) > 0
    assert draw(height=72, width=48).shape == (72, 48, 3)


def test_the_similarity_is_measured_on_what_was_drawn(
    studio: Studio, person: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = read_image(asset_path("example/person.jpg"))[::3, ::3]
    pictures = np.stack([photo, np.full_like(photo, 128)])
    monkeypatch.setattr("limner.apps.portraits.draw_rows", lambda *_, **__: list(pictures))
    same, nobody = studio.portrait(person, PROMPT, count=2)
    assert same.similarity is not None
    assert same.similarity > 0.8
    assert nobody.similarity is None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"prompt": " \n"}, PromptError, "the prompt is missing"),
        ({"count": 0}, ConfigError, "count = 0"),
        ({"num_steps": -1}, ConfigError, "num_steps = -1"),
        ({"seed": -1}, ConfigError, "seed = -1"),
        ({"seed": 2**32}, ConfigError, "seed"),
        ({"guidance_scale": 0.5}, ConfigError, r"guidance_scale = 0\.5"),
        ({"guidance_scale": float("nan")}, ConfigError, "guidance_scale = nan"),
        ({"adapter_scale": -0.1}, ConfigError, "adapter_scale"),
        ({"height": 63}, ConfigError, "height = 63"),
        ({"width": 0}, ConfigError, "width = 0"),
        ({"steps": 3}, ConfigError, "steps = 3: Extra inputs"),
    ],
)
def test_bad_settings_are_refused_by_name(
    studio: Studio, person: Identity, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        studio.portrait(person, changes.pop("prompt", PROMPT), **changes)


def test_a_person_needs_an_adapter_and_the_right_features(
    studio: Studio, person: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AdapterError, match="no person was given"):
        studio.portrait(None, PROMPT)
    stranger = Identity({GUIDE_SPACE: person.features[GUIDE_SPACE]}, person.quality, person.pose)
    with pytest.raises(FeatureSpaceError, match=SPACE):
        studio.portrait(stranger, PROMPT)
    tiny_miniature().save(tmp_path)
    base = Studio.open(tmp_path, device="cpu")
    with pytest.raises(AdapterError, match="has no face adapter") as caught:
        base.portrait(person, PROMPT)
    assert str(caught.value).startswith(f"{tmp_path.name} has")  # the service hands it on, and not where folders lie
    assert list(base.identity(asset_path("example/person.jpg")).features) == [GUIDE_SPACE]
    assert len(base.portrait(person, PROMPT, num_steps=1, adapter_scale=0)) == 1


def test_an_identity_without_the_guide_is_drawn_but_not_measured(studio: Studio, person: Identity) -> None:
    quiet = Identity({SPACE: person.features[SPACE]}, person.quality, person.pose)
    assert studio.portrait(quiet, PROMPT, num_steps=1)[0].similarity is None


@pytest.fixture(params=["text-to-image", "sdxl"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tiny Stable Diffusion 1.5 or XL in diffusers format, with adapter and encoder beside it."""
    pipeline = STOCK[request.param].build()
    pipeline.save_pretrained(tmp_path / "base")
    tiny_fact(pipeline.unet).save(tmp_path / "adapter.safetensors")
    save_tiny_encoder(tmp_path / "encoder.safetensors")
    return tmp_path


def test_stable_diffusion_in_diffusers_format(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = {"adapter": folder / "adapter.safetensors", "encoder": folder / "encoder.safetensors"}
    studio = Studio.open(folder / "base", **files, device="cpu")
    person = studio.identity(asset_path("example/person.jpg"))
    capfd.readouterr()
    drawn = studio.portrait(person, PROMPT, count=3, num_steps=2)
    assert capfd.readouterr() == ("", "")
    plain = studio.portrait(person, PROMPT, count=3, num_steps=2, adapter_scale=0)
    assert all(far(a.image, b.image) > 0 for a, b in zip(drawn, plain, strict=True))
    assert drawn[0].settings.guidance_scale == 5.0
    unguided = studio.portrait(person, PROMPT, count=3, num_steps=2, guidance_scale=1.0)
    [alone] = studio.portrait(person, PROMPT, num_steps=2, seed=1, guidance_scale=1.0)
    assert far(unguided[1].image, alone.image) <= MAX_ROUNDING
    with pytest.raises(AdapterError, match="made for 'tiny'"):
        Studio.open(folder / "base", adapter=other_adapter(folder))


def other_adapter(folder: Path) -> Path:
    """One that was made for the miniature."""
    tiny_fact(tiny_miniature().unet).save(folder / "other.safetensors")
    return folder / "other.safetensors"


def test_opening_leaves_the_global_random_state_alone(miniature_folder: Path) -> None:
    def after(action: Callable[[], object]) -> torch.Tensor:
        torch.manual_seed(5)
        action()
        return torch.rand(3)

    assert torch.equal(after(lambda: Studio.open(miniature_folder, device="cpu")), after(lambda: None))
