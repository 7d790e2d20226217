"""Convolutional patches are the guide's: what follows the trunk in the guide makes the guide's embedding of them."""

import pytest
import torch
from torch.nn import functional as F

from limner.core.errors import CheckpointError, ConfigError
from limner.identity.conv_patches import CHANNELS, ConvPatches
from limner.identity.guide_network import GuideNetwork
from limner.identity.vit import FaceViT, ViTConfig
from tests.identity.test_guide_network import faces

SIZES = ViTConfig(patch=16, width=32, depth=1, heads=2, embedding=8)
MEAN, SPREAD = torch.linspace(-1, 1, CHANNELS), torch.linspace(0.5, 2, CHANNELS)


@pytest.fixture(scope="module")
def guide() -> GuideNetwork:
    return GuideNetwork()


def filled(guide: GuideNetwork) -> ConvPatches:
    patches = ConvPatches(SIZES)
    patches.take_over(guide.layers(), mean=MEAN, spread=SPREAD)
    return patches


def pictures() -> torch.Tensor:
    return torch.from_numpy(faces(2)).permute(0, 3, 1, 2) / 127.5 - 1


def test_the_rest_of_the_guide_makes_its_embedding_of_the_maps(guide: GuideNetwork) -> None:
    patches = filled(guide)
    seen = (patches.maps(pictures()) * SPREAD + MEAN).mT.unflatten(2, (7, 7))
    (wide, bias), (slopes,), (places, places_bias), (last, last_bias) = list(guide.layers())[-5:-1]
    hidden = F.prelu(F.conv2d(seen, wide, bias), slopes.flatten())
    summed = F.conv2d(hidden, places, places_bias, groups=len(places))
    embedding = F.normalize(F.conv2d(summed, last, last_bias).flatten(1), dim=1)
    torch.testing.assert_close(embedding, guide(pictures()), atol=1e-5, rtol=1e-4)


def test_a_trunk_that_was_taken_over_does_not_learn(guide: GuideNetwork) -> None:
    encoder = FaceViT(SIZES, patches=lambda _: filled(guide))
    encoder(pictures()).square().sum().backward()
    learning = {name.split(".")[1] for name, p in encoder.patch_embed.named_parameters(prefix="p") if p.requires_grad}
    assert learning == {"project"}
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)
    assert encoder.tokens(pictures()).shape == (2, 49, 32)


def test_another_network_is_refused(guide: GuideNetwork) -> None:
    for layers in (list(guide.layers())[1:], list(guide.layers())[:5]):
        with pytest.raises(CheckpointError, match="MobileFaceNet"):
            ConvPatches(SIZES).take_over(layers, mean=MEAN, spread=SPREAD)


def test_other_patches_are_refused() -> None:
    with pytest.raises(ConfigError, match="give patch = 16"):
        ConvPatches(ViTConfig(patch=9, width=32, heads=2))
