import dataclasses
from pathlib import Path

import pytest
import torch

from limner.core.errors import ConfigError
from limner.identity.encoder import empty_encoder
from limner.identity.transface import translate
from limner.identity.vit import FaceViT, MeanHead, ReweightedHead, ViTConfig
from tests.golden import fill_input, fill_tensor, load_golden, weights_of

TOLERANCE = 1e-5
TINY = ViTConfig(image_pixels=29, patch=7, width=10, depth=2, heads=2, embedding=6)


def config_of(metadata: dict) -> ViTConfig:
    stored = metadata["config"]
    return ViTConfig(
        image_pixels=stored["img_size"],
        patch=stored["patch_size"],
        width=stored["embed_dim"],
        depth=stored["depth"],
        heads=stored["num_heads"],
        embedding=stored["num_classes"],
    )


def assert_near(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["vit_micro", "vit_small"])
def test_every_layer_agrees_with_the_golden(shared: Path, name: str):
    golden, metadata = load_golden(shared, name)
    head = ReweightedHead(config_of(metadata))
    model = FaceViT(config_of(metadata), head=lambda _: head).eval()
    model.load_state_dict(translate(weights_of(golden)))
    with torch.no_grad():
        states = model.hidden_states(golden["image"])
        tokens = model.tokens(golden["image"])
        weights = head.token_weights(tokens)
        embedding = model(golden["image"])
    assert len(states) == model.config.depth + 1
    for depth, state in enumerate(states):
        assert_near(state, golden[f"hidden.{depth}"])
    assert_near(tokens, golden["local_tokens"])
    assert_near(weights.softmax(dim=-1), golden["senet_softmax"])
    assert_near((tokens * weights[:, :, None]).flatten(1), golden["senet_reweighted_flat"])
    assert_near(embedding, golden["global_embedding"])
    assert_near(model.embed(golden["image"]), torch.nn.functional.normalize(golden["global_embedding"]))


@pytest.mark.shared
def test_full_size_agrees_with_the_golden(shared: Path):
    golden, metadata = load_golden(shared, "vit_full")
    model = empty_encoder(config_of(metadata), ReweightedHead).eval()
    names = {name: f"head.{name}" for name in model.head.state_dict()}
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    released = {ours: theirs for theirs, ours in names.items()}
    model.load_state_dict({name: fill_tensor(released.get(name, name), shape) for name, shape in shapes.items()})
    images = fill_input("vit_full.image", (2, 3, 112, 112))
    with torch.no_grad():
        assert_near(model.tokens(images), golden["local_tokens"])
        assert_near(model(images), golden["global_embedding"])


def test_default_sizes_are_those_of_transface_s():
    with torch.device("meta"):
        model = FaceViT(ViTConfig(), head=ReweightedHead)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert ViTConfig().num_patches == 144
    assert round(parameters / 1e6, 1) == 86.7


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"image_pixels": 6}])
def test_impossible_sizes_are_refused(wrong: dict):
    with pytest.raises(ConfigError, match="10 wide"):
        dataclasses.replace(TINY, **wrong)


@pytest.mark.parametrize("head", [MeanHead, ReweightedHead])
def test_shapes_and_unit_length(head: type):
    model = FaceViT(TINY, head=head).eval()
    images = torch.rand(3, 3, 29, 29) * 2 - 1
    assert model.tokens(images).shape == (3, 16, 10)
    assert model(images).shape == (3, 6)
    torch.testing.assert_close(model.embed(images).norm(dim=1), torch.ones(3))


def test_pixels_beyond_the_last_whole_patch_are_never_seen():
    model = FaceViT(TINY).eval()
    images = torch.rand(2, 3, 29, 29)
    changed = images.clone()
    changed[:, :, 28:], changed[:, :, :, 28:] = 9.0, 9.0
    assert torch.equal(model.tokens(images), model.tokens(changed))
    changed[:, :, 27] = 9.0
    assert not torch.equal(model.tokens(images), model.tokens(changed))


def test_the_mlp_saturates_at_six():
    """The goldens never reach the bound that tells ReLU6 from ReLU."""
    model = FaceViT(TINY).eval()
    images, outputs = torch.rand(1, 3, 29, 29), []
    for bias in (100.0, 200.0):
        for name, parameter in model.named_parameters():
            if name.endswith("fc1.bias"):
                torch.nn.init.constant_(parameter, bias)
        outputs.append(model.tokens(images))
    assert torch.equal(*outputs)


def test_trains_under_bfloat16_autocast():
    torch.manual_seed(0)
    model = FaceViT(dataclasses.replace(TINY, width=16))
    images, targets = torch.rand(8, 3, 29, 29), torch.nn.functional.normalize(torch.randn(8, 6))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(20):
        with torch.autocast("cpu", torch.bfloat16):
            embeddings = model.embed(images)
        assert embeddings.dtype == torch.float32
        loss = 1 - (embeddings * targets).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())
