"""Cached tensors: named after the model, made once, kept beside pictures that are not touched."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import ConfigError, InputError
from limner.data.caching import cache_name, cache_tensors, cached_names
from limner.data.card import write_card
from limner.data.record import FaceRecord, read_shards, write_shard
from limner.data.tar_samples import read_samples
from tests.data.examples import record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, seeds in (("a", (0, 1, 2)), ("b", (3,))):
        write_shard(tmp_path / f"{name}.tar", [record(seed) for seed in seeds])
    return tmp_path


class Maker:
    """One number a record; counts what it is asked for and can break."""

    def __init__(self, stop_at: str = "") -> None:
        self.asked: list[str] = []
        self._stop_at = stop_at

    def __call__(self, records: Sequence[FaceRecord]) -> list[np.ndarray]:
        if self._stop_at in [one.key for one in records]:
            raise KeyboardInterrupt
        self.asked += [one.key for one in records]
        return [np.full((2, 1), int(one.key[:5]), np.float16) for one in records]


def test_tensors_come_back_and_the_rest_stays(folder: Path) -> None:
    before = [sample.parts for sample in read_samples(folder / "a.tar")]
    assert cache_tensors(folder, "latents/abc", Maker()) == 4
    for number, one in enumerate(read_shards(folder)):
        assert one.cached["latents/abc"].dtype == np.float16
        assert one.cached["latents/abc"].tolist() == [[number], [number]]
    after = [sample.parts for sample in read_samples(folder / "a.tar")]
    for old, new in zip(before, after, strict=True):
        assert {ending: new[ending] for ending in old} == old


def test_what_is_there_is_not_made_again(folder: Path) -> None:
    cache_tensors(folder, "latents/abc", Maker())
    stamp = (folder / "a.tar").stat().st_mtime_ns
    maker = Maker()
    assert cache_tensors(folder, "latents/abc", maker) == 0
    assert maker.asked == []
    assert (folder / "a.tar").stat().st_mtime_ns == stamp


def test_a_break_loses_one_shard_at_most(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cache_tensors(folder, "latents/abc", Maker(stop_at="00003_0"))
    maker = Maker()
    assert cache_tensors(folder, "latents/abc", maker) == 1
    assert maker.asked == ["00003_0"]


def test_other_models_tensors_stay_unless_they_are_to_go(folder: Path) -> None:
    for name in ("latents/old", "text/old"):
        cache_tensors(folder, name, Maker())
    cache_tensors(folder, "latents/new", Maker())
    assert list(cached_names(folder / "b.tar")) == [{"latents/old", "latents/new", "text/old"}]
    cache_tensors(folder, "latents/new", Maker(), drop_others=True)
    assert list(cached_names(folder / "b.tar")) == [{"latents/new", "text/old"}]


def test_the_card_follows(folder: Path) -> None:
    before = write_card(folder, settings={})["shards"]
    cache_tensors(folder, "latents/abc", Maker())
    assert write_card(folder)["shards"] != before


def test_too_few_answers_leave_the_shard_as_it_was(folder: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        cache_tensors(folder, "latents/abc", lambda records: [])
    assert [one.cached for one in read_shards(folder)] == [{}] * 4


def test_names_follow_from_files_and_settings(tmp_path: Path) -> None:
    model = tmp_path / "vae"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "weights").write_bytes(b"1")
    first = cache_name("latents", [model], pixels=128)
    assert first.startswith("latents/")
    assert cache_name("latents", [model], pixels=128) == first
    assert cache_name("latents", [model], pixels=64) != first
    (model / "deep" / "weights").rename(model / "weights")
    assert cache_name("latents", [model], pixels=128) != first
    (model / "weights").write_bytes(b"2")
    assert cache_name("latents", [model], pixels=128) != first
    with pytest.raises(ConfigError, match="holds no files"):
        cache_name("latents", [tmp_path / "missing"])


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no shards"):
        cache_tensors(tmp_path, "latents/abc", Maker())
