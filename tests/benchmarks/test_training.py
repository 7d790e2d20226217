"""The benchmark of the training step measures all its variants."""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "training.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_training", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_training"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["plain", "ours", "kept"])
def test_a_variant_is_measured(benchmark: ModuleType, variant: str) -> None:
    arguments = argparse.Namespace(
        base=None, batch=2, steps=1, mixed_precision="no", checkpointing=False, variant=variant
    )
    numbers = benchmark.measure(arguments)
    assert set(numbers) == {"samples_per_second", "peak_mib"}
    assert all(value > 0 for value in numbers.values())
