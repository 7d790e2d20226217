"""Resampler: parity with the reference, people in one batch, several photos, the null face."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.adapters.projectors import Resampler, ResamplerConfig, stack_photos
from limner.identity.vit import FaceViT, ViTConfig
from tests.golden import fill_input, fill_tensor, load_golden, weights_of

SMALL = ResamplerConfig(
    feature_width=6, width=10, num_layers=2, num_heads=2, head_width=4, num_tokens=3, context_width=7, expansion=2
)


def full() -> Resampler:
    resampler = Resampler(ResamplerConfig()).eval()
    resampler.load_state_dict({k: fill_tensor(k, tuple(v.shape)) for k, v in resampler.state_dict().items()})
    return resampler


def small(seed: int = 0) -> Resampler:
    torch.manual_seed(seed)
    return Resampler(SMALL).eval()


@pytest.mark.shared
@torch.no_grad()
def test_small_resampler_equals_the_reference(shared: Path) -> None:
    tensors, metadata = load_golden(shared, "resampler_small")
    given = metadata["config"]
    config = ResamplerConfig(
        feature_width=given["embedding_dim"],
        width=given["dim"],
        num_layers=given["depth"],
        num_heads=given["heads"],
        head_width=given["dim_head"],
        num_tokens=given["num_queries"],
        context_width=given["output_dim"],
        expansion=given["ff_mult"],
    )
    resampler = Resampler(config).eval()
    resampler.load_state_dict(weights_of(tensors))
    seen: list[torch.Tensor] = []

    def see(module: torch.nn.Module, args: tuple, output: torch.Tensor) -> None:
        seen.append(output)

    for layer in resampler.layers:
        layer.register_forward_hook(see)
    torch.testing.assert_close(resampler(tensors["tokens"]), tensors["out"], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        torch.stack(seen), torch.stack([tensors["latents.0"], tensors["latents.1"]]), atol=1e-5, rtol=0
    )
    null = resampler.null_tokens(tensors["tokens"].shape[1]).expand(3, -1, -1)
    torch.testing.assert_close(null, tensors["out_zero_tokens"], atol=1e-5, rtol=0)


@pytest.mark.shared
@torch.no_grad()
def test_full_resampler_equals_the_reference(shared: Path) -> None:
    tensors, _ = load_golden(shared, "resampler_full")
    resampler = full()
    out = resampler(fill_input("resampler_full.tokens", (2, 144, 512)))
    torch.testing.assert_close(out, tensors["out"], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        resampler.null_tokens(144).expand(2, -1, -1), tensors["out_zero_tokens"], atol=1e-4, rtol=0
    )


@pytest.mark.shared
@torch.no_grad()
def test_the_whole_extractor_equals_the_reference(shared: Path) -> None:
    tensors, _ = load_golden(shared, "extractor_full")
    vit = FaceViT(ViTConfig()).eval()
    trunk = {k: fill_tensor(k, tuple(v.shape)) for k, v in vit.state_dict().items() if not k.startswith("head.")}
    vit.load_state_dict(trunk, strict=False)
    resampler = full()
    features = vit.tokens(fill_input("vit_full.image", (2, 3, 112, 112)))
    torch.testing.assert_close(resampler(features.unsqueeze(0)), tensors["face_tokens"], atol=1e-4, rtol=0)
    null = resampler.null_tokens(144).repeat(1, 2, 1)
    torch.testing.assert_close(null, tensors["null_face_tokens"], atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=20)
@given(people=st.integers(1, 3), photos=st.integers(1, 3), patches=st.integers(1, 5))
@torch.no_grad()
def test_rows_are_people_and_photos_lie_end_to_end(people: int, photos: int, patches: int) -> None:
    resampler = small()
    features = torch.randn(people, photos, patches, 6, generator=torch.Generator().manual_seed(1))
    tokens = resampler(features)
    assert tokens.shape == (people, 3 * photos, 7)
    for person in range(people):
        for photo in range(photos):
            alone = resampler(features[person, photo][None])
            torch.testing.assert_close(tokens[person : person + 1, 3 * photo : 3 * photo + 3], alone)


@pytest.mark.parametrize("shape", [(2, 6), (1, 2, 3, 5), (1, 1, 1, 1, 6)])
def test_a_wrong_shape_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(batch, photos, patches, 6\)"):
        small()(torch.zeros(shape))


@torch.no_grad()
def test_the_null_face_is_computed_once_until_a_weight_changes() -> None:
    resampler = small()
    first = resampler.null_tokens(5)
    assert resampler.null_tokens(5) is first
    assert resampler.null_tokens(4) is not first
    again = resampler.null_tokens(5)
    resampler.proj_out.weight.mul_(2)
    changed = resampler.null_tokens(5)
    assert not torch.equal(changed, again)
    torch.testing.assert_close(changed, resampler(torch.zeros(1, 5, 6)))
    resampler.double()
    assert resampler.null_tokens(5).dtype == torch.float64


def test_the_null_face_is_trained() -> None:
    resampler = small().train()
    resampler.null_tokens(5).square().sum().backward()
    assert resampler.latents.grad is not None


def test_people_with_different_numbers_of_photos_stack() -> None:
    one, two = torch.ones(1, 4, 6), torch.ones(2, 4, 6)
    features, mask = stack_photos([one, two], [torch.ones(1), torch.tensor([0.5, 1.0])])
    assert features.shape == (2, 2, 4, 6)
    assert mask is not None
    assert mask.tolist() == [[1, 0], [0.5, 1]]
    assert features[0, 1].abs().sum() == 0
    assert stack_photos([two, two], [torch.ones(2)] * 2)[1] is None
