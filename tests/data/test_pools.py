"""Pools: answers in the order of the jobs, few jobs ahead, errors as they were raised, no process left behind."""

import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Iterator
from typing import Any

import cv2
import pytest

from limner.core.errors import InputError, LimnerError, MissingExtraError
from limner.data.pools import open_pool
from limner.data.preparing import ray_pool
from limner.data.preparing.ray_pool import open_ray_pool


class Bench:
    """Works on plain numbers."""

    def analyse(self, photo: Any) -> Any:
        if photo == "fail":
            raise InputError("it cannot be")
        if photo == "die":
            os._exit(9)
        time.sleep(0.02 if photo == 0 else 0)
        return photo, cv2.getNumThreads()

    def finish(self, job: Any) -> Any:
        return -job


def test_in_this_process() -> None:
    before = cv2.getNumThreads()
    with open_pool(Bench, 1) as pool:
        assert [answer for answer, _ in pool.map("analyse", range(5))] == [0, 1, 2, 3, 4]
        assert list(pool.map("finish", [1, 2])) == [-1, -2]
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before


@pytest.mark.slow
def test_in_several_processes() -> None:
    asked: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(40):
            asked.append(number)
            yield number

    with open_pool(Bench, 2) as pool:
        answers = pool.map("analyse", jobs())
        assert next(answers) == (0, 1)
        assert len(asked) <= 9
        assert [number for number, _ in answers] == list(range(1, 40))
        assert list(pool.map("finish", [3])) == [-3]
        with pytest.raises(InputError, match="it cannot be"):
            list(pool.map("analyse", [1, "fail"]))
    with pytest.raises(LimnerError, match="start the same command again"), open_pool(Bench, 2) as pool:
        list(pool.map("analyse", [1, "die"]))
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert multiprocessing.active_children() == []


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'limner\[ray\]'"):
        open_ray_pool(Bench)


def test_a_worker_of_ray_hands_errors_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_pool, "use_one_thread", lambda: None)  # of this process
    worker = ray_pool.RayWorker(Bench, "analyse")
    answers = [pickle.loads(worker({"number": 7, "job": pickle.dumps(job)})["answer"]) for job in (3, "fail")]
    assert answers[0][0] == 3
    assert isinstance(answers[1], InputError)
