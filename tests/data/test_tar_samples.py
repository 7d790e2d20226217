"""Tars of samples: the same bytes as tarfile writes, read whole, by place and up to a cut."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limner.core.errors import InputError
from limner.data.tar_samples import Sample, read_place, read_samples, sample_bytes, scan_places, write_samples

SAMPLES = [
    Sample("a", {"jpg": b"x" * 700, "json": b"{}"}),
    Sample("b", {"jpg": b"", "json": b"1" * 512}),
    Sample("c", {"jpg": b"y", "json": b"2", "more.json": b"3"}),
]


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    assert write_samples(tmp_path / "deep" / "a.tar", SAMPLES) == 3
    assert list(read_samples(tmp_path / "deep" / "a.tar")) == SAMPLES


def test_the_bytes_are_those_of_tarfile(tmp_path: Path) -> None:
    write_samples(tmp_path / "a.tar", SAMPLES)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for sample in SAMPLES:
            for ending, content in sample.parts.items():
                member = tarfile.TarInfo(f"{sample.key}.{ending}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    assert (tmp_path / "a.tar").read_bytes() == stream.getvalue()


def test_each_sample_can_be_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_samples(path, SAMPLES)
    with path.open("rb") as file:
        places = list(scan_places(file, "json"))
    assert [content for _, content in places] == [b"{}", b"1" * 512, b"2"]
    for sample, (place, _) in reversed(list(zip(SAMPLES, places, strict=True))):
        assert read_place(path, place) == sample
    write_samples(path, SAMPLES[1:])
    with pytest.raises(InputError, match="not a whole shard"):
        read_place(path, places[0][0])


def test_the_same_key_twice_in_a_row_is_two_samples(tmp_path: Path) -> None:
    twice = [Sample("a", {"json": b"1"}), Sample("a", {"json": b"2"})]
    write_samples(tmp_path / "a.tar", twice)
    assert list(read_samples(tmp_path / "a.tar")) == twice


@given(st.integers(0, 8 * 1024))
def test_a_cut_tail_costs_no_whole_sample_but_perhaps_the_last(keep: int) -> None:
    samples = [*SAMPLES[:2], Sample("c", {"jpg": b"y", "json": b"2"})]  # the part that is looked for comes last
    whole = b"".join(sample_bytes(sample) for sample in samples)
    ends, end = [], 0
    for sample in samples:
        end += len(sample_bytes(sample))
        ends.append(end)
    found = []
    try:
        for place, content in scan_places(io.BytesIO(whole[:keep]), "json"):
            if content and place.end <= keep:
                found.append(place.key)
    except tarfile.TarError:
        pass
    least = sum(end <= keep for end in ends)
    assert found in (["a", "b", "c"][:least], ["a", "b", "c"][: max(least - 1, 0)])


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").touch()
    for name in ("a.tar", "b.tar"):
        with pytest.raises(InputError, match=r"\.tar is not a whole shard"):
            list(read_samples(tmp_path / name))
