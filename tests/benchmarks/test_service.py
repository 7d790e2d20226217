"""The load run: every client served, nothing refused, memory in bounds; short here, ten minutes in `make test-all`."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.apps.tiny_models import save_tiny_miniature

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "service.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_service", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_service"] = module
    spec.loader.exec_module(module)
    return module


def test_a_short_load(benchmark: ModuleType, tmp_path: Path) -> None:
    save_tiny_miniature(tmp_path)
    numbers = benchmark.measure(str(tmp_path), clients=8, seconds=6, raw_seconds=1, steps=2, database=None)
    assert numbers["problems"] == []
    assert numbers["jobs"] >= 8
    assert numbers["mean_batch"] > 1
    assert numbers["ratio"] > 0


@pytest.mark.slow
def test_ten_minutes_of_load(benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark.save_model(tmp_path)
    numbers = benchmark.measure(str(tmp_path), clients=32, seconds=600, raw_seconds=30, steps=10, database=None)
    with capsys.disabled():  # `make test-all` reports what was measured
        print(f"\n{json.dumps(numbers)}")
    assert numbers["problems"] == []
    assert numbers["mean_batch"] > 6
    assert numbers["ratio"] > 0.5  # a shared machine changes its own pace by a third
    for quarters in numbers["memory_mib_by_quarter"].values():
        assert quarters[-1] < quarters[0] * 1.1 + 30
