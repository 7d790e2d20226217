"""On a Ray cluster of two nodes on this machine the same comes out as without Ray."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from limner.data.pools import open_pool
from limner.data.preparing import ray_pool
from limner.data.preparing.ray_pool import open_ray_pool
from limner.data.preparing.run import prepare
from tests.data.preparing.stubs import files_of, lay_out, maker, small_settings

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [
    pytest.mark.slow,
    # Ray's own code warns on recent Pythons and when sockets of its helpers are collected.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with one processor each."""
    ray: Any = pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{os.environ.get('PYTHONPATH', '')}")  # for the stubs
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    small = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args=small)
    nodes.add_node(**small)
    monkeypatch.setenv("RAY_ADDRESS", nodes.address)
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def test_two_nodes_make_the_same(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, settings = lay_out(tmp_path / "photos"), small_settings()
    prepare(photos, tmp_path / "here", settings, open_pool(maker(photos, settings), 1))
    monkeypatch.setattr(ray_pool, "JOBS_PER_DATASET", 12)  # photos come in two datasets
    prepare(photos, tmp_path / "ray", settings, open_ray_pool(maker(photos, settings)))
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "here")
    ray: Any = import_module("ray")
    assert not ray.is_initialized()
    ray.init(log_to_driver=False)
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
