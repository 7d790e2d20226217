"""What a studio analysed, encoded and projected once it does not do again; nothing is left once it is closed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch._dynamo.testing import CompileCounter

from limner.adapters.projectors import Resampler
from limner.apps.guard import Guard
from limner.apps.identity_memory import IdentityMemory
from limner.apps.portraits import Order
from limner.apps.service.bench import open_studio
from limner.apps.service.settings import ModelSettings
from limner.apps.settings import PortraitSettings
from limner.apps.studio import Studio
from limner.core.assets import asset_path
from limner.core.errors import ImageError
from limner.faces.analysis import FaceAnalyzer
from limner.identity import encoder
from limner.identity.encoder import EncoderRecognizer
from limner.identity.recognition import GuideRecognizer
from limner.trust.settings import TrustSettings

PROMPT = "a photo of a person, smiling"
PHOTO = asset_path("example/person.jpg")


@pytest.fixture
def studio(miniature_folder: Path) -> Iterator[Studio]:
    with Studio.open(miniature_folder, device="cpu") as opened:
        yield opened


@pytest.fixture
def calls(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each network was called."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, told: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            counted[told] += 1
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    count(FaceAnalyzer, "analyze", "analysis")
    count(EncoderRecognizer, "tokens", "encoder")
    count(GuideRecognizer, "embed", "guide")
    count(encoder, "load_encoder", "opening the encoder")
    count(Resampler, "forward", "projector")
    count(studio.pipeline.text_encoder, "forward", "text encoder")
    return counted


def test_one_analysis_for_any_number_of_calls_and_pictures(studio: Studio, calls: Counter[str]) -> None:
    pictures = []
    for content in (PHOTO, PHOTO.read_bytes(), str(PHOTO)):
        person = studio.identity(content)
        pictures += studio.portrait(person, PROMPT, count=3, num_steps=1)
    assert calls == {
        "analysis": 1,
        "encoder": 1,
        "guide": 1,
        "opening the encoder": 1,
        "projector": 2,  # the face and the null face
        "text encoder": 2,  # the sentence and the empty one
    }
    for one, again in zip(pictures[:3], pictures[3:6], strict=True):
        assert np.array_equal(one.image, again.image)


def test_what_the_memory_gives_is_what_is_drawn_without(studio: Studio, miniature_folder: Path) -> None:
    drawn = []
    closed = Studio.open(miniature_folder, device="cpu")
    closed.close()
    for one in (studio, studio, closed):
        drawn.append(one.portrait(one.identity(PHOTO), PROMPT, num_steps=2)[0].image)
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])


def test_another_photo_face_rule_or_encoding_is_analysed(
    studio: Studio, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.asarray(Image.open(PHOTO).convert("RGB"))
    first = studio.identity(PHOTO)
    assert studio.identity([PHOTO]) is first
    for number, photo in enumerate((pixels, pixels[:, ::-1], [PHOTO, PHOTO], Image.fromarray(pixels)), start=2):
        studio.identity(photo)
        studio.identity(photo)
        assert calls["analysis"] == number + (number >= 4)
    before = calls["analysis"]
    studio.identity(PHOTO, face_index=0)
    monkeypatch.setattr(Guard, "settings", TrustSettings(minors=False))
    studio.identity(PHOTO)
    assert calls["analysis"] == before + 2


def test_a_photo_that_cannot_be_read_is_told_each_time(studio: Studio, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ImageError, match="missing"):
            studio.identity(tmp_path / "missing.jpg")


def test_so_many_people_are_kept(calls: Counter[str], studio: Studio) -> None:
    studio._identities = IdentityMemory(1)
    pixels = np.asarray(Image.open(PHOTO).convert("RGB"))
    for photo in (PHOTO, pixels, PHOTO):
        studio.identity(photo)
    assert calls["analysis"] == 3
    assert len(studio._identities) == 1


def test_a_closed_studio_holds_nothing_and_still_draws(studio: Studio, calls: Counter[str]) -> None:
    person = studio.identity(PHOTO)
    studio.portrait(person, PROMPT, num_steps=1)
    assembly = studio.assembly
    assert assembly.adapter is not None
    memories = (studio._identities, assembly.prompts, assembly.adapter.memory)
    assert all(len(memory) > 0 for memory in memories)
    studio.close()
    studio.portrait(studio.identity(PHOTO), PROMPT, num_steps=1)
    assert all(len(memory) == 0 for memory in memories)
    assert calls["analysis"] == 2


def test_a_worker_of_the_service_remembers_nobody(miniature_folder: Path) -> None:
    studio = open_studio(ModelSettings(model=str(miniature_folder), device="cpu"))
    studio.portrait(studio.identity(PHOTO), PROMPT, num_steps=1)
    adapter = studio.assembly.adapter
    assert adapter is not None
    assert len(studio._identities) == len(adapter.memory) == 0


def test_people_share_a_pass_and_each_sentence_is_encoded_once(studio: Studio, calls: Counter[str]) -> None:
    person = studio.identity(PHOTO)
    orders = [
        Order(person, PortraitSettings(prompt=prompt, seed=seed, num_steps=1))
        for prompt, seed in [(PROMPT, 1), ("glasses", 2), (PROMPT, 3)]
    ]
    for _ in range(2):
        studio.draw_together(orders)
    assert calls["text encoder"] == 4


@torch.no_grad()
def test_a_compiled_denoiser_is_compiled_once(studio: Studio) -> None:
    person = studio.identity(PHOTO)
    adapter: Any = studio.assembly.adapter
    plain = studio.portrait(person, PROMPT, num_steps=2)[0].image
    counter = CompileCounter()
    studio.assembly.compile(backend=counter, fullgraph=True)
    graphs = []
    for prompt, scale in [(PROMPT, 0.8), ("glasses", 0.8), (PROMPT, 0.5)]:
        studio.portrait(person, prompt, num_steps=2, adapter_scale=scale)
        graphs.append(counter.frame_count)
    assert graphs[0] == graphs[-1] > 0
    assert adapter.system.adapter.is_injected
    compiled = studio.portrait(person, PROMPT, num_steps=2)[0].image
    assert np.abs(compiled.astype(int) - plain).max() <= 1
    studio.close()
    assert not adapter.system.adapter.is_injected
    torch.compiler.reset()
