"""FACT's objective on a tiny base: who is shown, when, what is asked of the backbone, and that only the adapter
learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limner.core.errors import ConfigError
from limner.diffusion.backbone import StableDiffusionBackbone
from limner.losses.increment import increment_loss
from limner.systems import fact_training
from limner.systems.encoded_portraits import EncodedPortraits, encode_references
from limner.systems.fact_curriculum import FactCurriculum
from limner.systems.fact_objective import FactObjective
from limner.systems.fact_training import FactTraining
from limner.training.loop import LoopSettings, Run
from tests.systems.tiny import FEATURE_WIDTH, PATCHES, PERSON, awake_fact, encoded_faces, fact_for, miniature, random

NO_DROP: dict[str, Any] = {"face_drop_probability": 0.0, "both_drop_probability": 0.0}
ALWAYS = FactCurriculum(shuffle_probability=1.0, shuffle_from=0.0, shuffle_full=0.0, **NO_DROP)
NEVER = FactCurriculum(shuffle_probability=0.0, **NO_DROP)
STEPS = 100


def task_of(
    curriculum: FactCurriculum = NEVER,
    *,
    batch: int = 4,
    features: Tensor | None = None,
    awake: bool = False,
    **objective: Any,
) -> FactTraining:
    base = miniature()
    pipeline = base.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    backbone = StableDiffusionBackbone(pipeline)
    features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=5).half() if features is None else features
    return FactTraining(
        awake_fact(base) if awake else fact_for(base),
        backbone,
        EncodedPortraits(encoded_faces(), features, backbone.tokenize),
        FactObjective(batch=batch, loss_weight="min-snr", curriculum=curriculum, **objective),
        steps=STEPS,
    )


def terms_of(task: FactTraining, seed: int = 0, step: int = 0) -> dict[str, Tensor]:
    return task.loss(task.collate(task.draw(step, torch.Generator().manual_seed(seed))), step)


def loss_of(task: FactTraining, seeds: range) -> float:
    with torch.no_grad():
        return float(torch.stack([terms_of(task, seed)["denoising"] for seed in seeds]).mean())


def pairs(
    curriculum: FactCurriculum, *, step: int = STEPS, batch: int = 300, **objective: Any
) -> list[tuple[int, int]]:
    """Target and reference of every row of a batch."""
    plan = task_of(curriculum, batch=batch, **objective).draw(step, torch.Generator().manual_seed(0))
    return list(zip(plan["record"].tolist(), plan["reference"].tolist(), strict=True))


def test_training_lowers_the_loss_with_both_terms_finite(tmp_path: Path) -> None:
    task = task_of()
    first = loss_of(task, range(20))
    settings = LoopSettings(
        steps=30, learning_rate=0.01, warmup_steps=3, decay_steps=5, log_every=10, weights={"increment": 0.01}
    )
    rows: list[dict[str, float]] = []
    Run(tmp_path, task, settings).train(progress=lambda step, means: rows.append(means))
    assert loss_of(task, range(20)) < 0.97 * first
    assert [set(row) for row in rows] == [{"denoising", "increment", "gradient_norm"}] * 3
    assert rows[-1]["increment"] > 0  # the gates have opened


def test_the_base_gets_no_gradient_and_does_not_move() -> None:
    task = task_of()
    before = {name: value.clone() for name, value in task.backbone.pipeline.unet.state_dict().items()}
    optimizer = torch.optim.SGD(task.module.parameters(), lr=0.5)
    for step in range(2):
        torch.stack(list(terms_of(task, step, step).values())).sum().backward()
        optimizer.step()
    frozen = [parameter for network in task.frozen for parameter in network.parameters()]
    assert len(task.frozen) == 3
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in frozen)
    after = task.backbone.pipeline.unet.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    trained = dict(task.module.named_parameters())
    assert all(value.grad is not None and value.grad.isfinite().all() for value in trained.values())
    # Behind gates that have opened everything learns, the projector included.
    assert any(value.grad is not None and value.grad.any() for name, value in trained.items() if "resampler" in name)


def test_the_face_counts_only_once_the_gates_have_opened() -> None:
    def terms(seed: int, *, awake: bool) -> tuple[float, float]:
        features = random(len(PERSON), PATCHES, FEATURE_WIDTH, seed=seed).half()
        made = terms_of(task_of(features=features, awake=awake))
        return made["denoising"].item(), made["increment"].item()

    assert terms(5, awake=False) == terms(6, awake=False)
    assert terms(5, awake=False)[1] == 0.0
    assert terms(5, awake=True)[0] != terms(6, awake=True)[0]
    assert terms(5, awake=True)[1] > 0.0


def test_every_site_is_regularised_within_the_records_own_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Sequence[tuple[Tensor, Tensor]], Tensor]] = []

    def spy(layers: Sequence[tuple[Tensor, Tensor]], face_mask: Tensor) -> Tensor:
        calls.append((layers, face_mask))
        return increment_loss(layers, face_mask)

    monkeypatch.setattr(fact_training, "increment_loss", spy)
    task = task_of(batch=3)
    portraits: Any = task.portraits
    for index in range(len(PERSON)):
        portraits.faces.face_masks[index] = index / 10
    plan = task.draw(0, torch.Generator().manual_seed(0))
    task.loss(task.collate(plan), 0)
    ((layers, masks),) = calls
    sites: Any = task.module.get_submodule("adapter").sites
    assert len(layers) == len(sites) > 1
    assert all(increment.shape == hidden.shape for increment, hidden in layers)
    torch.testing.assert_close(masks[:, 0, 0, 0], (plan["record"] / 10).half().float())


def test_fair_reads_what_the_option_says_and_the_mask_when_dropped() -> None:
    whole, attention = (terms_of(task_of(awake=True, fair=fair))["increment"] for fair in ("whole", "attention"))
    assert whole.item() != attention.item()
    nobody = FactCurriculum(face_drop_probability=1.0, both_drop_probability=0.0, shuffle_probability=0.0)
    outside, everywhere = (
        terms_of(task_of(nobody, awake=True, fair_when_dropped=dropped))["increment"] for dropped in (False, True)
    )
    assert outside.item() != everywhere.item()
    same, kept = (terms_of(task_of(awake=True, fair_when_dropped=d))["increment"] for d in (False, True))
    assert same.item() == kept.item()


def test_a_masked_loss_counts_the_face_only() -> None:
    plain, masked = (terms_of(task_of(masked_loss_probability=p))["denoising"].item() for p in (0.0, 1.0))
    assert plain != masked
    task = task_of(masked_loss_probability=1.0)
    portraits: Any = task.portraits
    portraits.faces.face_masks[:] = 1.0
    assert terms_of(task)["denoising"].item() == pytest.approx(plain, rel=1e-5)
    portraits.faces.face_masks[:] = 0.0
    assert terms_of(task)["denoising"].item() == 0.0


def test_without_shuffle_the_target_shows_its_own_face() -> None:
    assert all(target == reference for target, reference in pairs(NEVER))
    assert all(target == reference for target, reference in pairs(ALWAYS, pairing="same"))


def test_cross_takes_another_picture_of_the_same_person_only() -> None:
    # Every other picture comes up, never the target's own, except where the person has no other.
    expected = {(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 4), (4, 3), (5, 5)}
    assert set(pairs(ALWAYS)) == expected


def test_shuffle_stays_within_the_person_and_the_batch() -> None:
    drawn = pairs(ALWAYS, pairing="shuffle", pictures_per_person=3, batch=300)
    assert all(PERSON[target] == PERSON[reference] for target, reference in drawn)
    assert sorted(target for target, _ in drawn) == sorted(reference for _, reference in drawn)
    assert any(target != reference for target, reference in drawn)


def test_shuffle_comes_with_its_probability() -> None:
    half = FactCurriculum(shuffle_probability=0.5, shuffle_from=0.0, shuffle_full=1.0, **NO_DROP)
    drawn = [(t, r) for t, r in pairs(half, step=STEPS // 2, batch=600) if t != 5]
    assert sum(t != r for t, r in drawn) / len(drawn) == pytest.approx(0.25, abs=0.06)


def test_an_unknown_pairing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no pairing 'sideways'"):
        task_of(pairing="sideways")


def test_a_dropped_face_is_the_null_face() -> None:
    curriculum = FactCurriculum(face_drop_probability=0.3, both_drop_probability=0.0, shuffle_probability=0.0)
    task = task_of(curriculum, batch=60)
    batch = task.collate(task.draw(0, torch.Generator().manual_seed(0)))
    dropped = ~batch["keep_face"]
    assert 0 < int(dropped.sum()) < 60
    tokens = task.system.face_tokens(task.inputs.face_features(batch))
    nulls = task.system.null_tokens.detach()
    torch.testing.assert_close(tokens[dropped], nulls.expand(int(dropped.sum()), -1, -1), atol=1e-5, rtol=1e-5)
    assert (tokens[~dropped] - nulls).abs().amax(dim=(1, 2)).min() > 1e-3


def test_a_dropped_sentence_is_the_empty_one() -> None:
    curriculum = FactCurriculum(text_drop_probability=0.5, face_drop_probability=0.0, both_drop_probability=0.0)
    task = task_of(curriculum, batch=20)
    batch = task.collate(task.draw(0, torch.Generator().manual_seed(0)))
    empty = task.backbone.tokenize([""])["tokenizer"][0]
    assert [bool((row == empty).all()) for row in batch["tokenizer"]] == (~batch["keep_text"]).tolist()


def test_large_faces_come_first() -> None:
    curriculum = FactCurriculum(face_area_first=0.5, face_area_until=0.5, shuffle_probability=0.0)
    base = task_of()
    portraits: Any = base.portraits
    portraits.face_area = torch.tensor([0.6, 0.1, 0.1, 0.3, 0.1, 0.6])
    task = FactTraining(
        base.system, base.backbone, portraits, FactObjective(batch=200, curriculum=curriculum), steps=STEPS
    )
    drawn = [set(task.draw(step, torch.Generator().manual_seed(0))["record"].tolist()) for step in (0, 25, 50)]
    assert drawn == [{0, 5}, {0, 3, 5}, {0, 1, 2, 3, 4, 5}]


def test_a_row_is_the_same_in_whatever_part_it_comes() -> None:
    task = task_of(ALWAYS)
    plan = task.draw(0, torch.Generator().manual_seed(0))
    whole = task.collate(plan)
    parts = [task.collate({name: rows[part] for name, rows in plan.items()}) for part in (slice(0, 1), slice(1, 4))]
    for name, rows in whole.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), rows), name


def gradients(task: FactTraining) -> dict[str, Tensor]:
    terms = terms_of(task)
    (terms["denoising"] + terms["increment"]).backward()
    return {name: p.grad for name, p in task.module.named_parameters() if p.grad is not None}


def test_activation_checkpointing_changes_no_gradient() -> None:
    plain = gradients(task_of(awake=True))
    again = gradients(task_of(awake=True, activation_checkpointing=True))
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo looks at the face tokens
def test_compiling_changes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gradients(task_of(awake=True))
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module, **options: compiled(module, backend="eager", **options))
    task = task_of(awake=True, compile=True)
    assert task.backbone.unet is not task.backbone.pipeline.unet
    for name, gradient in gradients(task).items():
        torch.testing.assert_close(gradient, plain[name], atol=1e-6, rtol=1e-4)


def test_a_look_is_the_same_each_time_and_leaves_everything_as_it_was() -> None:
    task = task_of(awake=True, sample_seeds=(1, 2), sample_steps=2)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, again = task.inspect(), task.inspect()
    assert torch.equal(torch.rand(2), expected)
    assert task.module.training
    assert [picture.shape for picture in first.pictures] == [(32, 32, 3)] * 2
    assert all((one == other).all() for one, other in zip(first.pictures, again.pictures, strict=True))
    sites: Any = task.module.get_submodule("adapter").sites
    assert len(first.ratios) == len(sites)
    assert all(ratio > 0 for ratio in first.ratios.values())
    assert first.ratios == again.ratios
    assert task_of(sample_seeds=()).inspect().pictures == []


def test_references_are_encoded_in_chunks() -> None:
    class Encoder:
        def tokens(self, images: Tensor) -> Tensor:
            assert len(images) <= 4
            return images.flatten(2)[:, :, :5].clone().requires_grad_() * 2

    references = torch.arange(10 * 3 * 4 * 4).remainder(256).to(torch.uint8).view(10, 3, 4, 4)
    encoder: Any = Encoder()
    done: list[int] = []
    tokens = encode_references(encoder, references, chunk=4, progress=done.append)
    assert done == [4, 8, 10]
    assert (tokens.shape, tokens.dtype, tokens.requires_grad) == ((10, 3, 5), torch.float16, False)
    torch.testing.assert_close(tokens, ((references.float() / 127.5 - 1) * 2).half().flatten(2)[:, :, :5])


def test_the_shift_makes_rows_noisier() -> None:
    plain, shifted = (
        task_of(batch=8, timestep_shift=shift).draw(0, torch.Generator().manual_seed(0))["timesteps"]
        for shift in (1.0, 3.0)
    )
    u = plain.float() / 1000
    torch.testing.assert_close(shifted.float(), 3000 * u / (1 + 2 * u), atol=3.0, rtol=0)
