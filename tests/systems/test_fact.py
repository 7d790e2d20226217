"""FACT as one piece: composition, guidance, saving, refusing what does not belong together."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from limner.adapters.projectors import ResamplerConfig
from limner.core.checkpoint import load_checkpoint, save_checkpoint
from limner.core.errors import AdapterError, CheckpointError, FeatureSpaceError
from limner.systems.adapter_files import begin_adapter
from limner.systems.fact import Fact, FactConfig
from tests.contracts.backbones import KINDS, randomise, run, sd2, sd15, sdxl

RESAMPLER = ResamplerConfig(
    feature_width=6, width=8, num_layers=1, num_heads=2, head_width=4, num_tokens=3, context_width=10
)
CONFIG = FactConfig(
    backbone="tiny-sd15",
    feature_space="test-space",
    template="arcface-112",
    licence="l",
    num_patches=7,
    resampler=RESAMPLER,
)
SD15 = KINDS[0]


def trained() -> Fact:
    fact = Fact.for_backbone(sd15(), CONFIG).eval()
    randomise(fact, 3)
    return fact


def photos(people: int, count: int) -> Tensor:
    return torch.randn(people, count, 7, 6, generator=torch.Generator().manual_seed(people))


@torch.no_grad()
def test_a_fresh_model_is_the_base() -> None:
    backbone, inputs = sd15(), SD15.inputs(2)
    fact = Fact.for_backbone(backbone, CONFIG)
    base = run(backbone, inputs)
    with fact.adapter.injected(backbone), fact.conditioned(photos(2, 1)):
        assert torch.equal(run(backbone, inputs), base)


@torch.no_grad()
def test_photos_become_tokens_and_the_null_face_is_kept() -> None:
    fact = trained()
    assert fact.face_tokens(photos(2, 3)).shape == (2, 9, 10)
    torch.testing.assert_close(fact.null_tokens, fact.face_tokens(torch.zeros(1, 1, 7, 6)))
    assert fact.null_tokens is fact.null_tokens


def unhearing(directions: int = 2) -> Fact:
    """So many directions of the features are not to be seen."""
    fact = Fact.for_backbone(sd15(), CONFIG.model_copy(update={"nuisance": directions})).eval()
    randomise(fact, 3)
    assert fact.nuisance is not None
    numbers = torch.randn(7 * 6, directions, generator=torch.Generator().manual_seed(5))
    fact.nuisance.copy_(torch.linalg.qr(numbers).Q.T)
    return fact


@torch.no_grad()
def test_what_is_left_out_changes_nothing_and_the_rest_does() -> None:
    fact = unhearing()
    assert fact.nuisance is not None
    seen, unseen = photos(2, 3), fact.nuisance[1].unflatten(0, (7, 6))
    tokens = fact.face_tokens(seen)
    torch.testing.assert_close(fact.face_tokens(seen + 4 * unseen), tokens)
    assert (fact.face_tokens(seen + 4 * unseen.roll(1, 0)) - tokens).abs().max() > 0.01
    torch.testing.assert_close(fact.null_tokens, fact.face_tokens(torch.zeros(1, 1, 7, 6)))


@torch.no_grad()
def test_what_is_left_out_is_in_the_file(tmp_path: Path) -> None:
    fact = unhearing()
    fact.save(tmp_path / "fact.safetensors")
    again = Fact.load(tmp_path / "fact.safetensors", sd15())
    assert torch.equal(again.face_tokens(photos(1, 2)), fact.face_tokens(photos(1, 2)))


@torch.no_grad()
def test_a_run_begins_with_what_the_file_leaves_out_or_with_its_own(tmp_path: Path) -> None:
    fact, start = unhearing(), trained()
    assert fact.nuisance is not None
    own = fact.nuisance.clone()
    start.save(tmp_path / "seeing.safetensors")
    begin_adapter(fact, tmp_path / "seeing.safetensors", like=fact.header())
    assert torch.equal(fact.nuisance, own)
    assert torch.equal(fact.null_tokens, start.null_tokens)
    fact.nuisance.mul_(-1)
    fact.save(tmp_path / "unhearing.safetensors")
    other = unhearing()
    begin_adapter(other, tmp_path / "unhearing.safetensors", like=other.header())
    assert other.nuisance is not None
    assert torch.equal(other.nuisance, -own)
    more = unhearing(3)
    assert more.nuisance is not None
    measured = more.nuisance.clone()
    begin_adapter(more, tmp_path / "unhearing.safetensors", like=more.header())
    assert torch.equal(more.nuisance, measured)
    assert torch.equal(more.null_tokens, fact.null_tokens)


@torch.no_grad()
def test_face_guidance_decides_what_the_unconditional_rows_see() -> None:
    backbone, inputs, fact = sd15(), SD15.inputs(2), trained()
    person = photos(1, 2)
    tokens, null = fact.face_tokens(person), fact.null_tokens.repeat(1, 2, 1)
    wanted: dict[str, Tensor] = {}
    with fact.adapter.injected(backbone):
        for name, first in [("shared", tokens), ("dropped", null)]:
            with fact.adapter.conditioned(torch.cat([first, tokens])):
                wanted[name] = run(backbone, inputs)
        with fact.conditioned(person, face_guidance="shared"):
            torch.testing.assert_close(run(backbone, inputs), wanted["shared"])
        with fact.conditioned(person):
            torch.testing.assert_close(run(backbone, inputs), wanted["dropped"])
    assert not torch.allclose(wanted["shared"], wanted["dropped"])


@torch.no_grad()
def test_a_missing_photo_is_as_if_never_taken() -> None:
    backbone, inputs, fact = sd15(), SD15.inputs(4), trained()
    people = photos(2, 2)
    mask = torch.tensor([[True, False], [True, True]])
    with fact.adapter.injected(backbone):
        with fact.conditioned(people, photo_mask=mask):
            together = run(backbone, inputs)
        with fact.conditioned(people[:1, :1]):
            alone = run(backbone, {name: value[[0, 2]] for name, value in inputs.items()})
    torch.testing.assert_close(together[[0, 2]], alone, atol=1e-5, rtol=1e-5)


def test_training_reaches_resampler_and_adapter() -> None:
    backbone, fact = sd15().requires_grad_(False), trained().train()
    with fact.adapter.injected(backbone), fact.conditioned(photos(1, 1)):
        run(backbone, SD15.inputs(2)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in fact.parameters())
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_features_of_another_space_are_refused() -> None:
    trained().require_space("test-space")
    with pytest.raises(FeatureSpaceError, match="other-space.*test-space"):  # noqa: RUF043
        trained().require_space("other-space")


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    fact = trained()
    fact.save(tmp_path / "fact.safetensors")
    tensors, header = load_checkpoint(tmp_path / "fact.safetensors")
    assert (header.system, header.backbone, header.feature_space) == ("fact", "tiny-sd15", "test-space")
    again = Fact.load(tmp_path / "fact.safetensors", sd15())
    assert not again.training
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, fact.state_dict()[name])
        assert torch.equal(tensor, tensors[name])


@pytest.mark.parametrize("build", [sd2, sdxl])
def test_a_file_for_another_backbone_is_refused_naming_both(tmp_path: Path, build) -> None:
    trained().save(tmp_path / "fact.safetensors")
    with pytest.raises(AdapterError, match=r"made for 'tiny-sd15', 4 blocks.*UNet2DConditionModel with \d+ blocks"):
        Fact.load(tmp_path / "fact.safetensors", build())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "face-vit"}, "face-vit"),
        ({"version": "0"}, "layout 0"),
        ({"config": {}}, "does not say how"),
        ({"config": {"fact": {"backbone": 1}, "sites": []}}, "does not say how"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    fact = trained()
    save_checkpoint(tmp_path / "f.safetensors", fact.state_dict(), fact.header().model_copy(update=change))
    with pytest.raises(CheckpointError, match=message):
        Fact.load(tmp_path / "f.safetensors", sd15())


def test_an_incomplete_file_is_refused(tmp_path: Path) -> None:
    fact = trained()
    tensors = fact.state_dict()
    tensors.pop("resampler.latents")
    save_checkpoint(tmp_path / "f.safetensors", tensors, fact.header())
    with pytest.raises(CheckpointError, match=r"resampler\.latents"):
        Fact.load(tmp_path / "f.safetensors", sd15())
