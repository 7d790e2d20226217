"""It does not matter whether frozen networks ran before or run now."""

from typing import Any

import pytest
import torch

from limner.diffusion.backbone import StableDiffusionBackbone, StableDiffusionXLBackbone
from limner.identity.vit import FaceViT, ViTConfig
from limner.systems.frozen_inputs import FrozenInputs
from tests.contracts.pipelines import PIPELINES, PIXELS
from tests.systems.tiny import seeded

BY_NAME = {kind.name: kind for kind in PIPELINES}
PROMPTS = ["a face", "smiling"]


@pytest.fixture(params=["text-to-image", "sdxl"])
def backbone(request: pytest.FixtureRequest) -> StableDiffusionBackbone:
    pipeline: Any = BY_NAME[request.param].build()
    return StableDiffusionXLBackbone(pipeline) if request.param == "sdxl" else StableDiffusionBackbone(pipeline)


def test_latents_kept_or_computed(backbone: StableDiffusionBackbone) -> None:
    pictures = torch.rand(2, 3, PIXELS, PIXELS, generator=torch.Generator().manual_seed(0)) * 2 - 1
    inputs = FrozenInputs(backbone, None)
    latents = inputs.latents({"pictures": pictures})
    kept = inputs.latents({"latents": latents.half()})
    assert kept.dtype == torch.float32
    torch.testing.assert_close(kept, latents, atol=2e-3, rtol=1e-3)


def test_sentences_kept_or_computed_and_left_out(backbone: StableDiffusionBackbone) -> None:
    inputs = FrozenInputs(backbone, None)
    kept_text = torch.tensor([True, False])
    computed = inputs.text(backbone.tokenize([PROMPTS[0], ""]) | {"keep_text": kept_text})
    states = backbone.encode_text(backbone.tokenize(PROMPTS))
    batch = {"context": states.context, "keep_text": kept_text}
    if states.pooled is not None:
        batch["pooled"] = states.pooled
    taken = inputs.text(batch)
    torch.testing.assert_close(taken.context, computed.context)
    assert (taken.pooled is None) == (computed.pooled is None)
    if taken.pooled is not None:
        torch.testing.assert_close(taken.pooled, computed.pooled)


def test_faces_as_features_or_as_pictures(backbone: StableDiffusionBackbone) -> None:
    encoder = seeded(lambda: FaceViT(ViTConfig(patch=28, width=16, depth=1, heads=2, embedding=8))).eval()
    faces = torch.randint(256, (2, 3, 112, 112), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    keep = {"keep_face": torch.tensor([True, False])}
    computed = FrozenInputs(backbone, encoder).face_features({"faces": faces, **keep})
    with torch.no_grad():
        features = encoder.tokens(faces.float() / 127.5 - 1)
    taken = FrozenInputs(backbone, None).face_features({"face_features": features, **keep})
    assert computed.shape == (2, 1, 16, 16)
    torch.testing.assert_close(taken, computed)
    assert computed[1].count_nonzero() == 0
    assert not computed.requires_grad
