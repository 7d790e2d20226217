"""Training of the LoRA for few steps: the teacher is the base as it was, one step is to end where its steps end."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.core.checkpoint import quantize, widen
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.diffusion.lora import save_lora, worn
from limner.diffusion.samplers import new_sampler
from limner.systems.encoded_portraits import EncodedPortraits
from limner.systems.few_steps import LORA, NUM_SHOWN, FewSteps
from tests.systems.tiny import FEATURE_WIDTH, PATCHES, PERSON, awake_fact, encoded_faces, miniature, random


def task(**changes: Any) -> FewSteps:
    base = miniature()
    pipeline = base.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = new_sampler(pipeline.scheduler, "ddim")
    backbone = StableDiffusionBackbone(pipeline)
    portraits = EncodedPortraits(encoded_faces(), random(len(PERSON), PATCHES, FEATURE_WIDTH), backbone.tokenize)
    settings: dict[str, Any] = {
        "batch": 4, "rank": 2, "steps": 4, "substeps": 2, "guidance": 2.0, "scale": 0.8, "face_probability": 0.7
    }  # fmt: skip
    return FewSteps(backbone, awake_fact(base), portraits, **settings | changes)


def batch_of(few: FewSteps, seed: int = 0, **changes: Any) -> dict[str, Tensor]:
    return few.collate(few.draw(0, torch.Generator().manual_seed(seed)) | changes)


def loss(few: FewSteps, batch: dict[str, Tensor]) -> float:
    with torch.no_grad():
        return float(few.loss(batch, 0)["denoising"])


def test_an_untrained_lora_is_its_own_teacher_where_nothing_is_left_out() -> None:
    assert loss(task(guidance=1.0, substeps=1), batch_of(task())) == pytest.approx(0, abs=1e-6)
    assert loss(task(guidance=2.0, substeps=1), batch_of(task())) > 1e-5
    assert loss(task(guidance=1.0, substeps=2), batch_of(task())) > 1e-5


def test_every_step_of_a_picture_is_trained_in_every_batch() -> None:
    plan = task().draw(0, torch.Generator().manual_seed(1))
    assert sorted(plan["step"].tolist()) == [0, 1, 2, 3]


def test_steps_lie_where_the_sampler_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    few = task()
    few.backbone.pipeline.scheduler.set_timesteps(4)
    asked: list[int] = []
    predict = few.backbone.predict

    def heard(noisy: Tensor, now: Tensor, text: Any, sizes: Any = None) -> Tensor:
        asked.append(int(now[0]))
        return predict(noisy, now, text, sizes)

    monkeypatch.setattr(few.backbone, "predict", heard)
    ways = []
    for step in range(4):
        asked.clear()
        few.loss(batch_of(few, step=torch.full((4,), step)), 0)
        ways.append(list(asked))
    # the teacher's two, then the one that is trained
    assert ways == [[999, 874, 999], [749, 624, 749], [499, 374, 499], [249, 124, 249]]
    assert [way[-1] for way in ways] == few.backbone.pipeline.scheduler.timesteps.tolist()


def test_the_person_and_the_words_lead_the_teacher() -> None:
    few, batch = task(), batch_of(task())
    shown = batch | {"keep_face": torch.ones(4, dtype=torch.bool)}
    found = [loss(few, one) for one in (shown, shown | {"keep_face": ~shown["keep_face"]})]
    words = loss(few, shown | {"tokenizer": shown["tokenizer"].flip(0)})
    assert len({round(value, 6) for value in (*found, words)}) == 3


def test_only_the_lora_is_trained_and_the_loss_falls() -> None:
    few = task(rank=8)
    before = {name: value.clone() for name, value in few.module.state_dict().items() if LORA not in name}
    fixed = batch_of(few, 9)
    trained = [one for one in few.module.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=2e-3)
    first = loss(few, fixed)
    for step in range(30):
        optimizer.zero_grad()
        few.loss(batch_of(few, step), step)["denoising"].backward()
        optimizer.step()
    assert loss(few, fixed) < 0.8 * first  # 0.68 was measured
    assert all(torch.equal(value, before[name]) for name, value in few.module.state_dict().items() if name in before)
    assert all(part.grad is None for network in few.frozen for part in network.parameters())


def test_the_teacher_does_not_learn() -> None:
    few, fixed = task(), batch_of(task())
    seen: list[Tensor] = []
    answer = few._guided(fixed)
    noisy, now = fixed["noise"], torch.full((4,), 600)
    for _ in range(2):
        with torch.no_grad(), few._without_lora():
            seen.append(answer(noisy, now))
            for name, value in few.module.named_parameters():
                if LORA in name:
                    value.fill_(0.3)
    assert torch.equal(*seen)
    with torch.no_grad():
        assert not torch.allclose(answer(noisy, now), seen[0])


def test_what_is_written_draws_as_what_was_trained(tmp_path: Path) -> None:
    few = task()
    with torch.no_grad():
        for name, value in few.module.named_parameters():
            if LORA in name:
                value.copy_(widen(quantize({name: 0.2 * random(*value.shape)}))[name])  # what the file can hold
    path = tmp_path / "few-steps.safetensors"
    save_lora(path, few.lora(), system="miniature-few-steps", licence="cc0")
    unet: Any = few.module
    noisy, now, context = random(1, 32, 4, 4), torch.tensor([600]), random(1, 5, 32)
    with torch.no_grad():
        expected = unet(noisy, now, context, return_dict=False)[0]
        fresh = miniature().pipeline()
        plain = fresh.unet(noisy, now, context, return_dict=False)[0]
        with worn(fresh, path):
            found = fresh.unet(noisy, now, context, return_dict=False)[0]
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, plain, atol=1e-2)


def test_a_look_shows_people_in_few_steps() -> None:
    looked = task().inspect()
    assert len(looked.pictures) == NUM_SHOWN
    assert {one.shape for one in looked.pictures} == {(32, 32, 3)}
