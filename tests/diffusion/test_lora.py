"""A LoRA goes in and comes out without a trace, whatever happens; one of another base never goes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.core.errors import AdapterError, CheckpointError
from limner.diffusion.lora import worn
from tests.apps.tiny_models import tiny_miniature
from tests.contracts.pipelines import PIPELINES, draw
from tests.diffusion.loras import kohya, lora_of, save

STOCK = {kind.name: kind for kind in PIPELINES}
KINDS = ["text-to-image", "sdxl"]


def trace(pipeline: Any) -> list[Any]:
    """Everything that hangs on the networks."""
    found: list[Any] = []
    for name in ("unet", "text_encoder", "text_encoder_2"):
        part = getattr(pipeline, name, None)
        for path, module in part.named_modules() if part is not None else ():
            hooks = [*module._forward_hooks, *module._forward_pre_hooks]
            found.append((name, path, id(module), module.training, sorted(vars(module)), hooks))
        found += [(name, key, p.requires_grad, id(p)) for key, p in (part.named_parameters() if part else ())]
    return found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Any:
    return STOCK[request.param]


@pytest.fixture
def pipeline(kind: Any) -> Iterator[Any]:
    """With every state checked before and after the test."""
    built = kind.build()
    picture, before = picture_of(built, kind), trace(built)  # a pipeline leaves marks of its own when first called
    yield built
    assert trace(built) == before
    assert np.array_equal(picture_of(built, kind), picture)


def picture_of(pipeline: Any, kind: Any) -> np.ndarray:
    return draw(pipeline, kind, ["a b"], [1])


@pytest.mark.parametrize("parts", [("unet",), ("unet", "text_encoder"), ("text_encoder",)])
def test_in_and_out_without_a_trace(pipeline: Any, kind: Any, parts: tuple[str, ...], tmp_path: Path) -> None:
    path = save(tmp_path / "style.safetensors", lora_of(pipeline, parts=parts))
    bare = picture_of(pipeline, kind)
    with worn(pipeline, path):
        whole = picture_of(pipeline, kind)
    with worn(pipeline, path, weight=0.5):
        half = picture_of(pipeline, kind)
    with worn(pipeline, path, weight=0.0):
        none = picture_of(pipeline, kind)
    assert min(np.abs(whole - bare).max(), np.abs(half - bare).max(), np.abs(half - whole).max()) > 1e-3
    assert np.abs(none - bare).max() < 1e-5


def test_an_error_inside_takes_it_out(pipeline: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "style.safetensors", lora_of(pipeline))
    with pytest.raises(KeyError), worn(pipeline, path):
        raise KeyError("somebody else's")


def test_kohyas_layout_says_the_same(tmp_path: Path) -> None:
    kind = STOCK["text-to-image"]
    pipeline = kind.build()
    tensors = lora_of(pipeline)
    pictures = []
    for name, content in (("peft", tensors), ("kohya", kohya(tensors))):
        with worn(pipeline, save(tmp_path / f"{name}.safetensors", content)):
            pictures.append(picture_of(pipeline, kind))
    # Without an alpha peft scales by 1, and so does an alpha that equals the rank.
    assert np.abs(pictures[0] - pictures[1]).max() < 1e-5


def test_a_lora_of_another_base_is_refused_by_what_does_not_fit(pipeline: Any, tmp_path: Path) -> None:
    others = [tiny_miniature().pipeline()]
    if not hasattr(pipeline, "text_encoder_2"):
        others.append(STOCK["sdxl"].build())  # the other way round all names fit, at these sizes
    for number, other in enumerate(others):
        path = save(tmp_path / f"{number}.safetensors", lora_of(other))
        with pytest.raises(AdapterError, match="made for another base"), worn(pipeline, path):
            pytest.fail("it went in")


def test_half_a_fit_is_no_fit(pipeline: Any, tmp_path: Path) -> None:
    """peft would leave out what finds no place, and diffusers would only log it."""
    tensors = lora_of(pipeline)
    extra = {name.replace("to_q", "to_w"): tensor for name, tensor in tensors.items() if "to_q" in name}
    with (
        pytest.raises(AdapterError, match=r"there is no 'down_blocks\.1.*to_w' in this UNet2DConditionModel"),
        worn(pipeline, save(tmp_path / "more.safetensors", tensors | extra)),
    ):
        pytest.fail("it went in")
    narrow = {name: tensor[..., :-1] if "lora_A" in name else tensor for name, tensor in tensors.items()}
    with (
        pytest.raises(AdapterError, match=r"has width \d+, here it is \d+"),
        worn(pipeline, save(tmp_path / "narrow.safetensors", narrow)),
    ):
        pytest.fail("it went in")


def test_a_loader_that_fails_half_way_leaves_the_base_untouched(
    pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "style.safetensors", lora_of(pipeline, parts=("unet", "text_encoder")))

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(pipeline, "set_adapters", fail)
    with pytest.raises(AdapterError, match=r"cannot be put into this base \(out of memory\)"), worn(pipeline, path):
        pytest.fail("it went in")


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("a.bin", None, CheckpointError, r"no \.safetensors file"),
        ("none.safetensors", None, CheckpointError, "there is no such file"),
        ("b.safetensors", {"unet.conv_in.weight": torch.zeros(1)}, CheckpointError, "holds no LoRA"),
        ("c.safetensors", {"transformer.x.lora_A.weight": torch.zeros(1, 1)}, AdapterError, "for a 'transformer'"),
        ("d.safetensors", {"unet.x.dora_scale": torch.zeros(1)}, CheckpointError, "is a DoRA"),
    ],
)
def test_other_files_are_refused(
    pipeline: Any, tmp_path: Path, name: str, content: Any, error: type[Exception], message: str
) -> None:
    if content is not None:
        save(tmp_path / name, content)
    with pytest.raises(error, match=message), worn(pipeline, tmp_path / name):
        pytest.fail("it went in")
