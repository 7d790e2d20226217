"""Shards: what is written comes back; what is broken, half or old is refused."""

import dataclasses
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from limner.core.errors import InputError
from limner.data import record as records
from limner.data.record import FaceRecord, read_shards, write_shard
from limner.data.tar_samples import write_samples
from limner.identity.recognition import GUIDE_SPACE
from tests.data.examples import record


def test_round_trip(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:256, :256].astype(np.uint8)
    smooth = np.stack([rows, columns, 255 - rows], axis=2)
    written = [
        record(0, image=smooth),
        record(1, image=smooth[::-1], person="someone", split="validation", male=0.125, edits={}),
        record(
            2,
            image=smooth,
            caption="a person",
            licence="CC0-1.0",
            quality=0.5,
            face_box=(1.0, -2.5, 30.25, 40.0),
            embeddings={GUIDE_SPACE: np.array([0.6, 0.8], np.float32), "other": np.ones(1, np.float32)},
            cached={"latents/abc": np.arange(6, dtype=np.float16).reshape(1, 2, 3)},
        ),
    ]
    assert write_shard(tmp_path / "deep" / "a.tar", written, jpeg_quality=100) == 3
    for before, after in zip(written, read_shards(tmp_path / "deep"), strict=True):
        for field in dataclasses.fields(FaceRecord):
            old, new = getattr(before, field.name), getattr(after, field.name)
            if isinstance(old, np.ndarray):
                assert_alike(old, new, 8 if field.name == "image" else 0.006 if field.name == "landmarks" else 0)
            elif field.name in ("embeddings", "cached"):
                assert old.keys() == new.keys()
                for name, array in old.items():
                    assert_alike(array, new[name], 1e-5)
            else:
                assert old == new


def assert_alike(old: np.ndarray, new: np.ndarray, tolerance: float) -> None:
    assert (old.shape, old.dtype) == (new.shape, new.dtype)
    assert np.abs(old.astype(float) - new).max() <= tolerance


def test_an_unknown_age_and_the_guides_embedding(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [record(0, age_years=float("nan"))])
    (after,) = read_shards(tmp_path)
    assert np.isnan(after.age_years)
    assert np.array_equal(after.guide_embedding, after.embeddings[GUIDE_SPACE])


def test_version_1_is_still_read(tmp_path: Path) -> None:
    """As it was written before embeddings had names."""
    sample = records.sample_of(record(0))
    facts = json.loads(sample.parts["json"]) | {"version": 1, "guide_embedding": [0.6, 0.8]}
    for name in ("embeddings", "caption", "licence", "quality", "face_box"):
        del facts[name]
    parts = sample.parts | {"json": json.dumps(facts).encode()}
    write_samples(tmp_path / "a.tar", [dataclasses.replace(sample, parts=parts)])
    (after,) = read_shards(tmp_path)
    assert (after.person, after.caption, after.quality, after.face_box) == ("generated-00003", None, None, None)
    assert after.guide_embedding.tolist() == pytest.approx([0.6, 0.8])


def test_a_shard_is_webdataset_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / f"{name}.tar", [record(7)])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["00007_0.jpg", "00007_0.png", "00007_0.json"]


def test_shards_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name, seeds in (("b", [3]), ("a", [2, 1])):
        write_shard(tmp_path / f"{name}.tar", [record(seed) for seed in seeds])
    assert [one.key for one in read_shards(tmp_path)] == ["00002_0", "00001_0", "00003_0"]


def test_a_crash_in_the_middle_leaves_no_shard(tmp_path: Path) -> None:
    def crashing() -> Iterator[FaceRecord]:
        yield record(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path / "a.tar", crashing())
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "a.tar", [record()])
    monkeypatch.setattr(records, "VERSION", 3)
    with pytest.raises(InputError, match=r"a\.tar: records are not of version 3; make the shards anew"):
        next(read_shards(tmp_path))


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no shards .*limner data synthesize"):
        next(read_shards(tmp_path))


@pytest.mark.parametrize("where", ["picture", "between records", "header"])
def test_a_cut_shard_is_refused(tmp_path: Path, where: str) -> None:
    path = tmp_path / "a.tar"
    write_shard(path, [record(0), record(1)])
    with tarfile.open(path) as tar:
        second = tar.getmembers()[3].offset
    keep = {"picture": second + 700, "between records": second, "header": second + 100}[where]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"a\.tar is not a whole shard"):
        list(read_shards(tmp_path))


def test_a_foreign_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text(json.dumps({"version": 1}))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for _ in range(3):
            tar.add(tmp_path / "note.json", "note.json")
    with pytest.raises(InputError, match="not a whole shard"):
        list(read_shards(tmp_path))
