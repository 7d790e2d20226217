"""The guide in torch is the guide, and a gradient comes through it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from limner.core.errors import CheckpointError, MissingExtraError
from limner.faces.face import AlignedFace
from limner.identity.guide_network import GuideNetwork
from limner.identity.recognition import GuideRecognizer


def faces(rows: int) -> np.ndarray:
    """Soft blobs of colour: a network of this kind answers noise with nearly the same vector every time."""
    coarse = torch.rand(rows, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, size=112, mode="bicubic").clamp(0, 1)
    return (fine * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def test_it_answers_as_the_recogniser_does() -> None:
    pictures = faces(3)
    told = GuideRecognizer().embed([AlignedFace(one, np.eye(2, 3), "arcface-112") for one in pictures]).vector
    network = GuideNetwork()
    seen = network(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1)
    assert np.abs(told - seen.numpy()).max() < 1e-5
    assert np.abs(told[0] - told[1]).max() > 0.01
    assert not list(network.parameters())


def test_a_gradient_comes_through_it() -> None:
    pictures = (torch.from_numpy(faces(1)).permute(0, 3, 1, 2) / 127.5 - 1).requires_grad_()
    GuideNetwork()(pictures)[0, :8].sum().backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().amax() > 0


def test_another_network_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    node = helper.make_node("Softplus", ["input"], ["output"])
    told = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("input", "output")]
    onnx.save(helper.make_model(helper.make_graph([node], "other", told[:1], told[1:])), str(tmp_path / "other.onnx"))
    with pytest.raises(CheckpointError, match="Softplus"):
        GuideNetwork(tmp_path / "other.onnx")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="pip install onnx"):
        GuideNetwork()
