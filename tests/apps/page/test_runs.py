"""Work is done one piece at a time, followed, and ended when nobody wants it."""

import threading

import pytest

from limner.apps.clock import Stages
from limner.apps.page.runs import WAITING, CancelledError, Runs, Told
from limner.core.errors import ConfigError
from tests.apps.page.following import finished


def count(stages: Stages) -> int:
    with stages.stage("counting"):
        for number in range(3):
            stages.step(number + 1, 3)
    return 7


def endless(begun: threading.Event) -> "object":
    def work(stages: Stages) -> None:
        with stages.stage("walking in circles"):
            while True:
                begun.set()
                stages.step(1, 2)

    return work


def test_work_tells_how_far_it_is_and_gives_its_result() -> None:
    runs = Runs()
    told, result = finished(runs.follow("me", count))
    assert result == 7
    assert told[0] == Told(WAITING)
    assert all(one.stage in (WAITING, "beginning", "counting") for one in told)
    runs.close()


def test_errors_come_out_as_they_are() -> None:
    def fail(_: Stages) -> None:
        raise ConfigError("no")

    runs = Runs()
    with pytest.raises(ConfigError, match="no"):
        finished(runs.follow("me", fail))
    assert finished(runs.follow("me", count))[1] == 7
    runs.close()


def test_cancelling_ends_the_work_of_this_window_only() -> None:
    runs, begun = Runs(), threading.Event()
    work = runs.follow("me", endless(begun))  # type: ignore[arg-type]
    next(work)
    assert begun.wait(10)
    runs.cancel("you")
    next(work)
    runs.cancel("me")
    with pytest.raises(CancelledError, match="stopped"):
        finished(work)
    assert finished(runs.follow("me", count))[1] == 7
    runs.close()


def test_work_that_waits_can_be_cancelled_before_it_begins() -> None:
    runs, begun, second = Runs(), threading.Event(), []
    first = runs.follow("me", endless(begun))  # type: ignore[arg-type]
    next(first)
    assert begun.wait(10)
    waiting = runs.follow("you", second.append)
    next(waiting)
    runs.cancel("you")
    runs.cancel("me")
    with pytest.raises(CancelledError):
        finished(first)
    with pytest.raises(CancelledError):
        finished(waiting)
    assert second == []
    runs.close()


def test_nobody_reading_on_ends_the_work() -> None:
    runs, begun = Runs(), threading.Event()
    work = runs.follow("me", endless(begun))  # type: ignore[arg-type]
    next(work)
    assert begun.wait(10)
    work.close()
    assert finished(runs.follow("me", count))[1] == 7  # the thread is free again
    runs.close()


def test_a_window_that_begins_anew_ends_what_it_had_begun() -> None:
    runs, begun = Runs(), threading.Event()
    first = runs.follow("me", endless(begun))  # type: ignore[arg-type]
    next(first)
    assert begun.wait(10)
    assert finished(runs.follow("me", count))[1] == 7
    with pytest.raises(CancelledError):
        finished(first)
    runs.close()
