"""Checkpoints say what they are, come back bit for bit, and anything else is refused with a remedy."""

import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from limner.core.checkpoint import (
    Header,
    load_checkpoint,
    load_into,
    quantize,
    read_foreign_state_dict,
    read_header,
    save_checkpoint,
    widen,
)
from limner.core.errors import CheckpointError

HEADER = Header(
    system="fact",
    version="1",
    backbone="sd15",
    feature_space="face-vit-arcface112",
    template="arcface-112",
    licence="miniature-adapter",
    config={"queries": 16, "depths": [1, 2], "names": {"a": None}},
)


def _tensors(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(48, 32, generator=generator),
        "kernel": torch.randn(16, 8, 3, 3, generator=generator),
        "bias": torch.randn(48, generator=generator),
        "steps": torch.tensor([3, 1, 2]),
    }


def test_tensors_and_header_come_back(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "a.safetensors"
    save_checkpoint(path, _tensors(), HEADER)
    tensors, header = load_checkpoint(path, expect_system="fact")
    assert header == HEADER == read_header(path)
    assert tensors.keys() == _tensors().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in _tensors().items())
    assert [file.name for file in path.parent.iterdir()] == ["a.safetensors"]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_checkpoint(tmp_path / name, _tensors(), HEADER)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_views_and_shared_tensors_can_be_saved(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4).requires_grad_()
    save_checkpoint(tmp_path / "a", {"rows": whole, "columns": whole.T, "same": whole}, HEADER)
    tensors, _ = load_checkpoint(tmp_path / "a")
    assert torch.equal(tensors["columns"], whole.detach().T)
    assert torch.equal(tensors["same"], tensors["rows"])


def test_half_precision_is_widened(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", {"x": torch.ones(3, dtype=torch.bfloat16), "y": torch.ones(3).half()}, HEADER)
    tensors, _ = load_checkpoint(tmp_path / "a")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


def test_another_system_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a", _tensors(), HEADER)
    with pytest.raises(CheckpointError, match="weights of 'fact', expected 'face-vit'; give a file of that kind"):
        load_checkpoint(tmp_path / "a", expect_system="face-vit")


def test_a_header_is_frozen_and_knows_its_fields() -> None:
    with pytest.raises(ValidationError):
        HEADER.system = "other"  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValidationError):
        Header.model_validate({"system": "fact", "version": "1", "licence": "x", "tokens": 16})


def test_missing_cut_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file of weights; check the name"):
        load_checkpoint(tmp_path / "nowhere")
    save_checkpoint(tmp_path / "cut", _tensors(), HEADER)
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"not a whole safetensors file .* fetch it again"):
        load_checkpoint(tmp_path / "cut")
    save_file(_tensors(), tmp_path / "foreign", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="no Limner header; bring foreign weights in with `limner convert`"):
        load_checkpoint(tmp_path / "foreign")
    save_file(_tensors(), tmp_path / "future", metadata={"limner": '{"system": "fact", "version": "1", "moons": 2}'})
    with pytest.raises(CheckpointError, match="header this version cannot read"):
        load_checkpoint(tmp_path / "future")


def test_load_into_needs_every_name_and_shape() -> None:
    module = nn.Linear(4, 3)
    tensors = {name: torch.full_like(tensor, 7) for name, tensor in module.state_dict().items()}
    load_into(module, tensors, "a.safetensors")
    assert (module.weight == 7).all()
    wrong = {"weight": torch.zeros(3, 5), "extra": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"a.safetensors does not fit Linear") as caught:
        load_into(module, wrong, "a.safetensors")
    assert "1 missing (bias); 1 unknown (extra); 1 of another shape (weight (3, 5) instead of (3, 4))" in str(
        caught.value
    )
    assert (module.weight == 7).all()


def test_big_matrices_take_eight_bits_and_the_rest_sixteen() -> None:
    stored = quantize(_tensors())
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "weight": torch.int8,
        "weight.scale": torch.float32,
        "kernel": torch.int8,
        "kernel.scale": torch.float32,
        "bias": torch.float16,
        "steps": torch.int64,
    }
    assert stored["kernel.scale"].shape == (16, 1, 1, 1)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), exponent=st.integers(-20, 20))
def test_a_weight_is_off_by_at_most_half_a_step(seed: int, exponent: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(64, 24, generator=generator) * 10.0**exponent * torch.rand(64, 1, generator=generator)
    weight[0] = 0
    error = (widen(quantize({"w": weight}))["w"] - weight).abs()
    assert (error <= weight.abs().amax(dim=1, keepdim=True) * (0.5 / 127) * 1.001).all()


def test_quantised_files_load_by_themselves(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "small", quantize(_tensors()), HEADER)
    tensors, _ = load_checkpoint(tmp_path / "small")
    expected = widen(quantize(_tensors()))
    assert tensors.keys() == _tensors().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())
    assert tensors["weight"].dtype == torch.float32


def test_own_integers_and_names_that_end_in_scale_survive() -> None:
    tensors = {"mask": torch.ones(4, dtype=torch.int8), "norm.scale": torch.ones(4), "norm": torch.ones(4)}
    assert widen(quantize(tensors)).keys() == tensors.keys()
    assert widen(tensors)["mask"].dtype == torch.int8


def test_what_sixteen_bits_cannot_hold_stays() -> None:
    tensors = {"large": torch.tensor([1e6]), "tiny": torch.tensor([1e-9])}
    assert all(torch.equal(widen(quantize(tensors))[name], tensor) for name, tensor in tensors.items())


def test_weights_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(CheckpointError, match="w holds infinite or undefined values"):
        quantize({"w": torch.tensor([float("nan")])})
    with pytest.raises(CheckpointError, match=r"w.scale is needed for the scales of w; rename the module"):
        quantize({"w": torch.ones(64, 64), "w.scale": torch.ones(1)})


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_foreign_tensors_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"foreign{suffix}"
    save_file(_tensors(), path) if suffix == ".safetensors" else torch.save(_tensors(), path)
    tensors = read_foreign_state_dict(path)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in _tensors().items())


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"x": _Trap(sprung)}, tmp_path / "trap.pt")
    (tmp_path / "trap.bin").write_bytes(pickle.dumps(_Trap(sprung)))
    for name in ("trap.pt", "trap.bin"):
        with pytest.raises(CheckpointError, match="Limner runs no code from weights"):
            read_foreign_state_dict(tmp_path / name)
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"state_dict": {"x": torch.ones(1)}, "epoch": 3},
            "holds the entries epoch, state_dict, expected named tensors",
        ),
        ([torch.ones(1)], "holds list, expected named tensors; save the bare state dict"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        read_foreign_state_dict(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["empty.pt", "text.pt", "text.safetensors", "missing.pt", "missing.safetensors"])
def test_broken_foreign_files_are_refused(tmp_path: Path, name: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"Dear reader")
    with pytest.raises(CheckpointError, match=name):
        read_foreign_state_dict(tmp_path / name)
