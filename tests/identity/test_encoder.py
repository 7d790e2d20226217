from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limner.core.checkpoint import Header, load_checkpoint, save_checkpoint
from limner.core.errors import CheckpointError, FeatureSpaceError
from limner.faces.face import AlignedFace
from limner.identity.conv_patches import ConvPatches
from limner.identity.encoder import EncoderRecognizer, images_to_tensor, load_encoder, save_encoder
from limner.identity.recognition import TokenRecognizer
from limner.identity.vit import FaceViT, LinearPatches, MeanHead, ReweightedHead, ViTConfig

SIZES = ViTConfig(patch=16, width=16, depth=1, heads=2, embedding=6)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, FaceViT(SIZES), feature_space="test-space", licence="miniature-encoder")
    return path


def faces(count: int) -> list[AlignedFace]:
    pixels = np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)
    return [AlignedFace(image, np.eye(2, 3), "arcface-112") for image in pixels]


@pytest.mark.parametrize(("head", "patches"), [(MeanHead, LinearPatches), (ReweightedHead, ConvPatches)])
def test_a_saved_encoder_comes_back(tmp_path: Path, head: type, patches: type):
    model = FaceViT(SIZES, head=head, patches=patches).eval()
    save_encoder(tmp_path / "e.safetensors", model, feature_space="test-space", licence="miniature-encoder")
    again, header = load_encoder(tmp_path / "e.safetensors")
    images = torch.rand(2, 3, 112, 112)
    assert torch.equal(model(images), again(images))
    assert again.config == SIZES
    assert header.feature_space == "test-space"


def test_eight_bits_stay_near(tmp_path: Path):
    model = FaceViT(SIZES).eval()
    save_encoder(tmp_path / "e.safetensors", model, feature_space="s", licence="miniature-encoder", eight_bit=True)
    again, _ = load_encoder(tmp_path / "e.safetensors")
    images = torch.rand(4, 3, 112, 112)
    assert (model.embed(images) * again.embed(images)).sum(dim=1).min() > 0.999


def test_recognizer_gives_unit_embeddings_and_tokens_in_any_batch(checkpoint: Path):
    recognizer = EncoderRecognizer(checkpoint)
    recognizer.faces_per_call = 2
    batch = faces(5)
    together = recognizer.embed(batch)
    assert (recognizer.feature_space, recognizer.role, recognizer.licence) == (
        "test-space",
        "encoder",
        "miniature-encoder",
    )
    assert isinstance(recognizer, TokenRecognizer)
    assert together.vector.shape == (5, 6)
    np.testing.assert_allclose(np.linalg.norm(together.vector, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(together.vector[3], recognizer.embed([batch[3]]).vector[0], atol=1e-5)
    tokens = recognizer.tokens(batch)
    images = images_to_tensor(np.stack([face.image for face in batch]))
    torch.testing.assert_close(tokens, load_encoder(checkpoint)[0].tokens(images).detach(), atol=1e-5, rtol=0)
    assert tokens.shape == (5, 49, 16)
    assert not tokens.requires_grad


def test_another_template_is_refused(checkpoint: Path):
    wrong = AlignedFace(np.zeros((512, 512, 3), np.uint8), np.eye(2, 3), "ffhq-512")
    with pytest.raises(FeatureSpaceError, match="ffhq-512"):
        EncoderRecognizer(checkpoint).embed([wrong])


@given(value=st.integers(0, 255))
def test_pixels_become_minus_one_to_one(value: int):
    tensor = images_to_tensor(np.full((1, 2, 3, 3), value, np.uint8))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor[0, 0, 0, 0].item() == pytest.approx(value / 127.5 - 1, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "giant"}, "giant"),
        ({"patches": "round"}, "round"),
        ({"width": "wide"}, "width"),
        ({"wings": 2}, "wings"),
        ({"depth": 2}, "missing"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(checkpoint: Path, change: dict, message: str):
    tensors, header = load_checkpoint(checkpoint)
    config = {**header.config, **change}
    save_checkpoint(checkpoint, tensors, Header(**{**header.model_dump(), "config": config}))
    with pytest.raises(CheckpointError, match=message):
        load_encoder(checkpoint)


def test_another_system_is_refused(checkpoint: Path):
    tensors, header = load_checkpoint(checkpoint)
    save_checkpoint(checkpoint, tensors, Header(**{**header.model_dump(), "system": "fact"}))
    with pytest.raises(CheckpointError, match="fact"):
        load_encoder(checkpoint)
