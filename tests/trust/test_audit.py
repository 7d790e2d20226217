"""Append-only, in order whoever writes, and a change shows."""

import multiprocessing
import stat

import pytest

from limner.core.errors import ConfigError, InputError
from limner.trust.audit import audit_path, read_log, record


def test_lines_come_in_order_with_their_time() -> None:
    assert read_log() == []
    record("first", number="a")
    record("second", off=["consent"])
    assert [(line["event"], line.get("number"), line.get("off")) for line in read_log()] == [
        ("first", "a", None),
        ("second", None, ["consent"]),
    ]
    assert str(read_log()[0]["when"]).endswith("+00:00")
    assert stat.S_IMODE(audit_path().stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lines: [lines[0].replace("one", "two"), *lines[1:]],
        lambda lines: [lines[0], lines[2]],
        lambda lines: lines[1:],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[0], "{}", *lines[1:]],
        lambda lines: [lines[0], "no json", *lines[1:]],
    ],
)
def test_a_change_shows(spoil) -> None:
    for number in ("one", "three", "four"):
        record("picture", number=number)
    lines = audit_path().read_text().splitlines()
    audit_path().write_text("".join(f"{line}\n" for line in spoil(lines)))
    with pytest.raises(InputError, match="was changed at line"):
        read_log()


def test_pictures_and_embeddings_do_not_go_in() -> None:
    for value in (b"\x89PNG".hex() * 100, ["0.123"] * 128):
        with pytest.raises(ConfigError, match="no pictures and no embeddings"):
            record("picture", value=value)
    assert read_log() == []


def _write(writer: int) -> None:
    for number in range(20):
        record("picture", writer=writer, number=number)


def test_processes_that_write_together_lose_nothing() -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_write, range(4))
    lines = read_log()
    assert sorted((line["writer"], line["number"]) for line in lines) == [(w, n) for w in range(4) for n in range(20)]


def test_a_log_that_cannot_be_written_stops_the_work(own_data_folder) -> None:
    audit_path().mkdir()
    with pytest.raises(InputError, match="what is not logged is not done"):
        record("picture")
