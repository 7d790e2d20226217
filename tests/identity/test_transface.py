import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from limner.core.errors import CheckpointError
from limner.identity.encoder import load_encoder
from limner.identity.recognition import TRANSFACE_SPACE
from limner.identity.transface import convert_transface, translate
from limner.identity.vit import FaceViT, ReweightedHead, ViTConfig
from tests.golden import fill_tensor

TINY = ViTConfig(image_pixels=29, patch=7, width=8, depth=2, heads=2, embedding=6)


def released_weights(config: ViTConfig) -> dict[str, torch.Tensor]:
    """A state dict under the released names, made by the fill rule."""
    ours = FaceViT(config, head=ReweightedHead).state_dict()
    names = {name.removeprefix("head."): tuple(tensor.shape) for name, tensor in ours.items()}
    return {name: fill_tensor(name, shape) for name, shape in {**names, "mask_token": (1, 1, config.width)}.items()}


@pytest.fixture
def released(tmp_path: Path) -> Path:
    path = tmp_path / "released.pt"
    torch.save(released_weights(TINY), path)
    return path


def test_converted_weights_are_the_released_ones(released: Path, tmp_path: Path):
    target = tmp_path / "encoder.safetensors"
    header = convert_transface(released, target, TINY)
    model, read = load_encoder(target)
    assert read == header
    assert header.feature_space == TRANSFACE_SPACE
    assert header.licence == "transface-s"
    weights = released_weights(TINY)
    assert torch.equal(model.pos_embed, weights["pos_embed"])
    assert torch.equal(model.head.state_dict()["senet.0.weight"], weights["senet.0.weight"])
    assert set(model.state_dict()) == set(translate(weights))
    assert not model.training


def test_what_does_not_fit_is_listed(released: Path, tmp_path: Path):
    weights = released_weights(TINY)
    del weights["norm.bias"]
    weights["stranger"] = torch.zeros(1)
    weights["blocks.1.mlp.fc1.bias"] = torch.zeros(3)
    torch.save(weights, released)
    with pytest.raises(CheckpointError) as error:
        convert_transface(released, tmp_path / "out.safetensors", TINY)
    for name in ("norm.bias", "stranger", "blocks.1.mlp.fc1.bias"):
        assert name in str(error.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_code_in_a_pickle_is_not_run(tmp_path: Path):
    path = tmp_path / "evil.pt"
    torch.save({"pos_embed": Path("x")}, path)
    with pytest.raises(CheckpointError, match="plain tensors"):
        convert_transface(path, tmp_path / "out.safetensors")


def test_the_command_names_the_missing_file(tmp_path: Path):
    from limner.apps.cli import app

    result = CliRunner().invoke(app, ["convert", "transface", str(tmp_path / "no.pt"), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, CheckpointError)
    assert "no.pt" in str(result.exception)


@pytest.mark.shared
def test_the_released_listing_is_understood(shared: Path):
    listing = json.loads((shared / "golden" / "fact" / "keys_transface_s.json").read_text())
    with torch.device("meta"):
        model = FaceViT(ViTConfig(), head=ReweightedHead)
        theirs = {name: torch.empty(entry["shape"]) for name, entry in listing.items()}
    ours = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in translate(theirs).items()} == ours


@pytest.mark.shared
@pytest.mark.slow
def test_a_file_of_full_size_converts(shared: Path, tmp_path: Path):
    listing = json.loads((shared / "golden" / "fact" / "keys_transface_s.json").read_text())
    source, target = tmp_path / "ms1mv2_model_TransFace_S.pt", tmp_path / "out.safetensors"
    torch.save({name: fill_tensor(name, tuple(entry["shape"])) for name, entry in listing.items()}, source)
    convert_transface(source, target)
    model, _ = load_encoder(target)
    assert torch.equal(model.norm.weight, fill_tensor("norm.weight", (512,)))
