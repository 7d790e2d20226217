"""The benchmarks of speed: rivals compute what they claim to, records are whole, pages are replaced where they say."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from limner.adapters.attention import GatedFaceAttention
from limner.adapters.sparse import Sparse
from tests.apps.tiny_models import save_tiny_miniature
from tests.contracts.backbones import randomise

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def tiny(adapter: ModuleType) -> Any:
    """One shape of two levels."""
    config = {
        "block_out_channels": (128, 128),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "attention_head_dim": 8,
        "cross_attention_dim": 16,
    }
    return [replace(adapter.SHAPES[0], config=config, small=8)]


@torch.no_grad()
def test_the_explicit_form_is_the_same_layer(opened: Any) -> None:
    rivals = opened("adapter_rivals")
    exact = GatedFaceAttention(16, 6, heads=2)
    randomise(exact, 1)
    explicit = rivals.ExplicitFaceAttention(16, 6, heads=2)
    explicit.load_state_dict(exact.state_dict())
    visual, face = torch.randn(2, 9, 16), torch.randn(2, 5, 6)
    for one, other in zip(
        exact(visual, exact.face_keys(face), scale=0.7),
        explicit(visual, explicit.face_keys(face), scale=0.7),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_memory_of_tensors_counts_what_is_alive(opened: Any) -> None:
    given = torch.zeros(1000)
    with opened("tensor_memory").TensorMemory() as memory:
        one = given + 1
        two = one + 1
        two.add_(1)
        view = one[:10]
        del one
        assert (memory.alive, memory.peak) == (8000, 8000)
        del two, view
        assert (memory.alive, memory.peak) == (0, 8000)


def test_stored_scores_take_more_memory(opened: Any) -> None:
    adapter = opened("adapter")
    exact, explicit = (adapter.attention_mib(adapter.SHAPES[0], explicit=which) for which in (False, True))
    scores = 2 * 8 * (64 * 64 + 16) ** 2 * 2 / 2**20
    assert explicit > 2 * scores
    assert exact < scores / 4


def test_every_variant_is_timed_and_told(opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adapter = opened("adapter")
    shapes = tiny(adapter)
    monkeypatch.setattr(adapter, "SHAPES", shapes)
    record = adapter.measure(2, "cpu")
    assert [(row["shape"], row["variant"]) for row in record["steps"]] == [
        (shape.name, variant) for shape in shapes for variant in adapter.VARIANTS
    ]
    assert all(row["seconds"] > 0 and row["peak_mib"] > 0 for row in record["steps"])
    for counts in record["flops"].values():
        flops = {name: count["tflop"] for name, count in counts.items()}
        assert flops["base"] < flops["ip-adapter 4"] < flops["ip-adapter 16"] < flops["sparse"]
        assert flops["sparse"] < flops["exact"] < flops["explicit"]
        assert flops["controlnet"] > flops["base"]
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    sys.modules["performance_page"].write_section(page, "adapter", record, adapter.page(record), ["adapter.py"])
    assert page.read_text().count("| controlnet |") == 3
    assert json.loads(json.dumps(record)) == record


@pytest.mark.slow
def test_eight_pictures_three_ways(opened: Any, tmp_path: Path) -> None:
    save_tiny_miniature(tmp_path)
    portrait = opened("portrait")
    record = portrait.measure(str(tmp_path), rounds=1, steps=1, pictures=2)
    assert set(record["pictures_per_minute"]) == set(portrait.FLOWS)
    assert record["times_faster_than_repeating"]["repeating"]["median"] == 1
    assert "| again: eight more" in portrait.page(record)


@pytest.mark.slow
def test_the_error_of_the_sparse_path(opened: Any, tmp_path: Path) -> None:
    save_tiny_miniature(tmp_path)
    sparse = opened("sparse")
    record = sparse.measure(str(tmp_path), num_people=1, num_seeds=1, settings=(Sparse(1.0, 0.0), Sparse()))
    whole, little = record["rows"]
    assert whole["difference_most"] <= 1
    assert 0 < little["psnr_least"] < whole["psnr_least"]
    assert record["without"]["psnr_least"] < whole["psnr_least"]
    assert "(the switch)" in sparse.page(record)


def test_only_the_named_section_is_replaced(opened: Any, tmp_path: Path) -> None:
    opened("sparse")
    pages = sys.modules["performance_page"]
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end of one -->\nb\n<!-- two -->\n<!-- end of two -->\n")
    record = pages.circumstances("cpu")
    pages.write_section(page, "one", record, pages.as_table(["x", "y"], [["1", "2"]]), ["bench.py", "--write", "p"])
    text = page.read_text()
    assert text.startswith("a\n<!-- one -->\n`python bench.py --write p`, ")
    assert "| x | y |\n| --- | ---: |\n| 1 | 2 |\n<!-- end of one -->\nb\n<!-- two -->" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="has no lines"):
        pages.write_section(page, "three", record, "", [])


def test_the_page_has_a_place_for_each_benchmark() -> None:
    text = PAGE.read_text()
    for name in ("adapter", "sparse", "portrait"):
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end of {name} -->") == 1
