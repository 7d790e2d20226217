"""The queue, on SQLite and PostgreSQL: one end for every job, whoever dies, and a fair share for every key."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from limner.apps.service.database import Database
from limner.apps.service.errors import BusyError, ConflictError, NotFoundError
from limner.apps.service.job import Job, State
from limner.apps.service.jobs import JobStore
from limner.apps.service.keys import KeyStore, Scope
from limner.apps.service.leases import Leases
from limner.apps.service.settings import Limits, ServiceSettings
from limner.apps.service.tables import counters
from tests.apps.service.fakes import settings_in, some_job

KINDS = ("identity", "portrait")
LEASE = 0.3


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    times = {"lease": LEASE, "latency_budget": 0.05, "poll": 0.02, "job": 5.0}
    return settings_in(tmp_path, times=times, limits=Limits(queue_per_key=50, queue=80), batch_pictures=4)


def owner_called(database: Database, name: str) -> str:
    return KeyStore(database).create(name, [Scope.DRAW])[0].id


def counted(database: Database, name: str) -> float:
    with database.reading() as connection:
        return connection.scalar(sa.select(counters.c.value).where(counters.c.name == name)) or 0.0


def nothing(_: sa.Connection) -> None:
    pass


def test_a_job_is_taken_once_and_ends_once(store: JobStore, leases: Callable[[], Leases], database: Database) -> None:
    job, is_new = store.submit(some_job())
    assert is_new
    assert job.state == State.QUEUED
    first, second = leases(), leases()
    [taken] = first.claim(KINDS)
    assert (taken.id, taken.attempt, taken.state) == (job.id, 1, State.RUNNING)
    assert second.claim(KINDS) == []
    assert first.sign([job.id], 3, 7).kept == {job.id}
    assert second.sign([job.id]).kept == set()
    assert (store.get("local", job.id)[0].steps_done, store.get("local", job.id)[0].steps_total) == (3, 7)
    recorded: list[int] = []
    assert not second.finish(taken, lambda _: recorded.append(2))
    assert first.finish(taken, lambda _: recorded.append(1))
    assert first.finish(taken, lambda _: recorded.append(1))  # asked again, because the first answer was lost
    assert recorded == [1]
    first.fail(taken, "late", "too late")
    assert store.get("local", job.id)[0].state == State.DONE
    assert counted(database, "jobs_done") == 1


def test_what_recording_raises_leaves_the_job_running(store: JobStore, leases: Callable[[], Leases]) -> None:
    store.submit(some_job())
    worker = leases()
    [taken] = worker.claim(KINDS)

    def fail(_: sa.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        worker.finish(taken, fail)
    assert worker.sign([taken.id]).kept == {taken.id}


def test_the_jobs_of_a_silent_worker_go_to_another_and_its_late_result_is_refused(
    store: JobStore, leases: Callable[[], Leases]
) -> None:
    job, _ = store.submit(some_job())
    silent, lively = leases(), leases()
    [late] = silent.claim(KINDS)
    assert lively.patience() is None
    time.sleep(LEASE + 0.1)
    assert lively.patience() == 0.0
    [again] = lively.claim(KINDS)
    assert (again.id, again.attempt) == (job.id, 2)
    assert not silent.finish(late, nothing)
    silent.fail(late, "internal", "it went wrong")
    silent.release([late], tried=True)
    assert lively.finish(again, nothing)


def test_signs_of_life_keep_a_job_beyond_its_lease(store: JobStore, leases: Callable[[], Leases]) -> None:
    store.submit(some_job())
    slow, other = leases(), leases()
    [taken] = slow.claim(KINDS)
    for _ in range(4):
        time.sleep(LEASE / 2)
        assert slow.sign([taken.id]).kept == {taken.id}
        assert other.claim(KINDS) == []


def test_a_job_that_kills_its_workers_is_given_up_and_takes_nobody_with_it(
    store: JobStore, leases: Callable[[], Leases], database: Database
) -> None:
    bad, _ = store.submit(some_job())
    neighbour, _ = store.submit(some_job())
    assert len(leases().claim(KINDS)) == 2
    time.sleep(LEASE + 0.1)
    for attempt in (2, 3):
        worker = leases()
        [alone] = worker.claim(KINDS)
        assert (alone.id, alone.attempt) == (bad.id, attempt)
        if attempt == 2:
            saviour = leases()
            [other] = saviour.claim(KINDS)
            assert other.id == neighbour.id
            assert saviour.finish(other, nothing)
        time.sleep(LEASE + 0.1)
    assert leases().claim(KINDS) == []
    ended, _ = store.get("local", bad.id)
    assert (ended.state, ended.problem_code) == (State.FAILED, "worker_lost")
    assert "lost 3 times" in str(ended.problem)
    assert counted(database, "jobs_failed") == 1


def test_jobs_of_one_group_are_drawn_together_as_far_as_there_is_room(
    store: JobStore, leases: Callable[[], Leases]
) -> None:
    for group, rows in (("a", 1), ("b", 1), ("a", 2), ("a", 2), ("a", 1)):
        store.submit(some_job(group=group, rows=rows))
    assert [job.rows for job in leases().claim(KINDS)] == [1, 2]
    assert [job.rows for job in leases().claim(KINDS)] == [1]
    assert [job.rows for job in leases().claim(KINDS)] == [2, 1]


def test_a_job_larger_than_a_batch_is_drawn_alone(store: JobStore, leases: Callable[[], Leases]) -> None:
    store.submit(some_job(rows=9))
    store.submit(some_job())
    assert [job.rows for job in leases().claim(KINDS)] == [9]


def test_waiting_jobs_are_left_for_others_until_the_budget_is_spent(
    store: JobStore, leases: Callable[[], Leases]
) -> None:
    worker = leases()
    assert worker.patience() is None
    store.submit(some_job())
    patience = worker.patience()
    assert patience is not None
    assert 0 < patience <= 0.05
    for _ in range(3):
        store.submit(some_job())
    assert worker.patience() == 0.0
    store.cancel("local", store.list("local")[0].id)
    time.sleep(0.06)
    assert worker.patience() == 0.0


@pytest.mark.parametrize("together", [True, False])
def test_a_key_with_many_jobs_does_not_hold_up_the_others(
    store: JobStore, leases: Callable[[], Leases], database: Database, together: bool
) -> None:
    greedy, modest = owner_called(database, "greedy"), owner_called(database, "modest")
    for number in range(20):
        store.submit(some_job(greedy, group="g" if together else f"greedy {number}"))
    worker = leases()
    done: list[Job] = []

    def work() -> None:
        batch = worker.claim(KINDS)
        assert all(worker.finish(job, nothing) for job in batch)
        done.extend(batch)

    work()
    for number in range(4):
        store.submit(some_job(modest, group="g" if together else f"modest {number}"))
    while len(done) < 24:
        work()
    places = [place for place, job in enumerate(done) if job.owner == modest]
    # The batch that was taken before they came, then every other place.
    assert max(places) <= 4 + 2 * 4


def test_large_jobs_of_one_key_count_as_what_they_are(
    store: JobStore, leases: Callable[[], Leases], database: Database
) -> None:
    large, small = owner_called(database, "large"), owner_called(database, "small")
    for _ in range(6):
        store.submit(some_job(large, rows=4))
    for _ in range(24):
        store.submit(some_job(small))
    worker, rows = leases(), Counter[str]()
    while sum(rows.values()) < 24:
        for job in worker.claim(KINDS):
            rows[job.owner] += job.rows
            worker.finish(job, nothing)
    assert abs(rows[large] - rows[small]) <= 8


def test_a_key_that_comes_back_has_not_saved_up_turns(
    store: JobStore, leases: Callable[[], Leases], database: Database
) -> None:
    steady, returning = owner_called(database, "steady"), owner_called(database, "returning")
    worker = leases()
    for _ in range(10):
        store.submit(some_job(steady, rows=4))
        [job] = worker.claim(KINDS)
        worker.finish(job, nothing)
    for _ in range(8):
        store.submit(some_job(returning, rows=4))
    for _ in range(2):
        store.submit(some_job(steady, rows=4))
    order = [worker.claim(KINDS)[0].owner for _ in range(6)]
    assert order.count(steady) == 2


def test_the_same_idempotency_key_gives_the_same_job(store: JobStore, database: Database) -> None:
    other = owner_called(database, "other")
    first, is_new = store.submit(some_job(idempotency_key="k"))
    again, is_new_again = store.submit(some_job(idempotency_key="k"))
    assert (is_new, is_new_again, again.id) == (True, False, first.id)
    with pytest.raises(ConflictError, match="used for another request"):
        store.submit(some_job(prompt="another", idempotency_key="k"))
    assert store.submit(some_job(other, idempotency_key="k"))[0].id != first.id


def test_the_same_idempotency_key_from_many_threads_makes_one_job(store: JobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: store.submit(some_job(idempotency_key="k")), range(24)))
    assert len({job.id for job, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1


def test_many_workers_never_take_the_same_job(store: JobStore, leases: Callable[[], Leases]) -> None:
    wanted = {store.submit(some_job())[0].id for _ in range(40)}

    def work(_: int) -> list[str]:
        worker, mine = leases(), []
        while batch := worker.claim(KINDS):
            mine += [job.id for job in batch if worker.finish(job, nothing)]
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = [job_id for mine in pool.map(work, range(6)) for job_id in mine]
    assert Counter(taken) == Counter(wanted)


def test_the_queue_is_full_for_one_key_and_then_for_all(store: JobStore, database: Database) -> None:
    first, second = owner_called(database, "first"), owner_called(database, "second")
    for _ in range(50):
        store.submit(some_job(first))
    with pytest.raises(BusyError, match="50 of your jobs wait or run, and 50 are allowed") as refused:
        store.submit(some_job(first))
    assert refused.value.retry_after
    for _ in range(30):
        store.submit(some_job(second))
    with pytest.raises(BusyError, match="the queue is full with 80 jobs"):
        store.submit(some_job(second))


def test_cancelling(store: JobStore, leases: Callable[[], Leases]) -> None:
    waiting, _ = store.submit(some_job())
    assert store.cancel("local", waiting.id).state == State.CANCELLED
    worker = leases()
    assert worker.claim(KINDS) == []
    for end in (worker.finish, lambda job, _: worker.release([job], tried=False)):
        running, _ = store.submit(some_job())
        [taken] = worker.claim(KINDS)
        assert store.cancel("local", running.id).cancel_requested
        signs = worker.sign([running.id])
        assert (signs.kept, signs.cancelled) == (set(), {running.id})
        assert not end(taken, nothing)
        assert store.get("local", running.id)[0].state == State.CANCELLED
    done, _ = store.submit(some_job())
    worker.finish(worker.claim(KINDS)[0], nothing)
    assert store.cancel("local", done.id).state == State.DONE


def test_a_cancelled_job_of_a_dead_worker_ends_cancelled(store: JobStore, leases: Callable[[], Leases]) -> None:
    job, _ = store.submit(some_job())
    leases().claim(KINDS)
    store.cancel("local", job.id)
    time.sleep(LEASE + 0.1)
    assert leases().claim(KINDS) == []
    assert store.get("local", job.id)[0].state == State.CANCELLED


def test_trying_again(store: JobStore, leases: Callable[[], Leases]) -> None:
    job, _ = store.submit(some_job())
    with pytest.raises(ConflictError, match="the job is queued"):
        store.retry("local", job.id)
    worker = leases()
    worker.fail(worker.claim(KINDS)[0], "internal", "it went wrong")
    failed, _ = store.get("local", job.id)
    assert (failed.state, failed.problem, failed.problem_code) == (State.FAILED, "it went wrong", "internal")
    again = store.retry("local", job.id)
    assert (again.state, again.attempt, again.problem, again.finished_at) == (State.QUEUED, 0, None, None)
    assert worker.finish(worker.claim(KINDS)[0], nothing)


def test_a_stopping_worker_gives_jobs_back_without_counting(store: JobStore, leases: Callable[[], Leases]) -> None:
    store.submit(some_job())
    worker = leases()
    for _ in range(5):
        [taken] = worker.claim(KINDS)
        assert taken.attempt == 1
        worker.release([taken], tried=False)
    worker.release([worker.claim(KINDS)[0]], tried=True)
    assert worker.claim(KINDS)[0].attempt == 2


def test_nobody_sees_what_belongs_to_others(store: JobStore, database: Database) -> None:
    mine, yours = owner_called(database, "mine"), owner_called(database, "yours")
    job, _ = store.submit(some_job(mine))
    for touch in (store.get, store.cancel, store.retry, store.delete):
        with pytest.raises(NotFoundError, match="or it is not yours"):
            touch(yours, job.id)
    assert store.list(yours) == []
    assert [one.id for one in store.list(mine)] == [job.id]


def test_listing_in_pages(store: JobStore) -> None:
    ids = [store.submit(some_job())[0].id for _ in range(5)]
    seen, after = [], None
    while page := store.list("local", after=after, limit=2):
        seen += [job.id for job in page]
        after = seen[-1]
    assert seen == ids[::-1]
    store.cancel("local", ids[0])
    assert [job.id for job in store.list("local", state=State.CANCELLED)] == [ids[0]]


def test_a_deleted_job_is_gone_and_its_worker_gets_nothing_in(store: JobStore, leases: Callable[[], Leases]) -> None:
    job, _ = store.submit(some_job())
    worker = leases()
    [taken] = worker.claim(KINDS)
    store.delete("local", job.id)
    assert worker.sign([job.id]).kept == set()
    assert not worker.finish(taken, nothing)
    with pytest.raises(NotFoundError):
        store.get("local", job.id)
