"""A worker with a studio that draws at once: everything ends once, in time, and bad jobs hurt nobody else."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from limner.apps.service import pulse as pulse_module
from limner.apps.service.blobs import PICTURES, Blobs
from limner.apps.service.database import Database
from limner.apps.service.job import Job, State
from limner.apps.service.jobs import JobStore
from limner.apps.service.pulse import Pulse
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import counters, pictures, workers
from limner.core.errors import CheckpointError
from limner.core.images import read_image
from tests.apps.service.fakes import FakeStudio, make_worker, painted, settings_in, some_job, wait_for, working


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    return settings_in(tmp_path, max_attempts=2)


@pytest.fixture
def store(database: Database, settings: ServiceSettings) -> JobStore:
    return JobStore(database, Blobs(settings.data), settings.limits)


def ended(store: JobStore, job: Job) -> Job:
    return wait_for(lambda: (now := store.get("local", job.id)[0]).state not in ("queued", "running") and now)


def test_pictures_are_what_the_studio_drew(
    database: Database, settings: ServiceSettings, store: JobStore, studio: FakeStudio
) -> None:
    job, _ = store.submit(some_job(prompt="a person", rows=3))
    with working(database, settings, studio):
        assert ended(store, job).state == State.DONE
    _, made = store.get("local", job.id)
    assert [picture.seed for picture in made] == [0, 1, 2]
    for picture in made:
        image = read_image(Blobs(settings.data).path(PICTURES, picture.id))
        assert np.array_equal(image, painted("a person", picture.seed))
        assert (picture.width, picture.height, picture.similarity) == (16, 16, 0.5)


def test_jobs_that_wait_are_drawn_in_one_pass(
    database: Database, settings: ServiceSettings, store: JobStore, studio: FakeStudio
) -> None:
    made = [store.submit(some_job(prompt=prompt))[0] for prompt in "abc"]
    with working(database, settings, studio):
        assert all(ended(store, job).state == State.DONE for job in made)
    assert studio.batches == [["a", "b", "c"]]
    with database.reading() as connection:
        told = {row.name: row.value for row in connection.execute(sa.select(counters))}
    assert (told["batches"], told["batch_rows"], told["pictures"], told["jobs_done"]) == (1, 3, 3, 3)


def test_one_bad_job_does_not_spoil_its_neighbours(
    database: Database, settings: ServiceSettings, store: JobStore, studio: FakeStudio, caplog: pytest.LogCaptureFixture
) -> None:
    good = [store.submit(some_job(prompt=prompt))[0] for prompt in "ab"]
    refused, _ = store.submit(some_job(prompt="refuse"))
    broken, _ = store.submit(some_job(prompt="explode"))
    with working(database, settings, studio):
        assert [ended(store, job).state for job in good] == [State.DONE, State.DONE]
        told = [ended(store, job) for job in (refused, broken)]
    assert [(job.state, job.problem_code) for job in told] == [("failed", "refused"), ("failed", "internal")]
    assert told[0].problem == "this cannot be drawn; ask for something else"
    assert "secret" not in str(told[1].problem)
    assert "a secret of the inside" in caplog.text
    assert told[1].attempt == 2


def test_a_running_job_is_stopped_when_it_is_cancelled(
    database: Database, settings: ServiceSettings, store: JobStore, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse_module, "MOST_SECONDS_BETWEEN_SIGNS", 0.05)
    studio.go_on.clear()
    job, _ = store.submit(some_job())
    with working(database, settings, studio):
        wait_for(lambda: studio.batches)
        store.cancel("local", job.id)
        time.sleep(0.3)
        studio.go_on.set()
        assert ended(store, job).state == State.CANCELLED
    assert studio.steps == 1
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(pictures)) == 0


def test_pictures_of_a_job_that_was_cancelled_at_the_last_moment_are_thrown_away(
    database: Database, settings: ServiceSettings, store: JobStore, studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse_module, "MOST_SECONDS_BETWEEN_SIGNS", 100.0)
    monkeypatch.setattr(pulse_module, "SIGNS_PER_LEASE", 0.01)
    studio.go_on.clear()
    job, _ = store.submit(some_job())
    with working(database, settings, studio):
        wait_for(lambda: studio.batches)
        store.cancel("local", job.id)
        studio.go_on.set()
        assert ended(store, job).state == State.CANCELLED
    assert studio.steps == 2
    assert list((settings.data / PICTURES).glob("*")) == []


def test_a_job_that_takes_too_long_fails(database: Database, tmp_path: Path, studio: FakeStudio) -> None:
    settings = settings_in(tmp_path, times={"job": 0.2, "poll": 0.02, "latency_budget": 0.0, "lease": 5.0})
    store = JobStore(database, Blobs(settings.data), settings.limits)
    studio.seconds_per_step = 0.15
    job, _ = store.submit(some_job())
    with working(database, settings, studio):
        told = ended(store, job)
    assert (told.state, told.problem_code) == (State.FAILED, "timeout")
    assert "longer than 0.2 seconds" in str(told.problem)


def test_a_worker_that_hangs_inside_a_step_gives_up(settings: ServiceSettings) -> None:
    times = settings.times.model_copy(update={"job": 0.1, "lease": 0.1})
    gave_up = threading.Event()
    leases = SimpleNamespace(sign=lambda *_: None)
    with Pulse(leases, [], times, lambda: None, gave_up.set):  # pyright: ignore[reportArgumentType]
        assert gave_up.wait(5)


@pytest.mark.parametrize("patient", [True, False])
def test_stopping_finishes_what_was_begun_or_gives_it_back(
    database: Database, tmp_path: Path, studio: FakeStudio, patient: bool
) -> None:
    times = {"stop": 20.0 if patient else 0.0, "poll": 0.02, "latency_budget": 0.0}
    settings = settings_in(tmp_path, times=times)
    store = JobStore(database, Blobs(settings.data), settings.limits)
    studio.go_on.clear()
    begun, _ = store.submit(some_job(group="a"))
    waiting, _ = store.submit(some_job(group="b"))
    with working(database, settings, studio) as worker:
        wait_for(lambda: studio.batches)
        worker.stop()
        time.sleep(0.05)
        studio.go_on.set()
    job, _ = store.get("local", begun.id)
    assert (job.state, job.attempt) == (("done", 1) if patient else ("queued", 0))
    assert store.get("local", waiting.id)[0].state == State.QUEUED
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(workers)) == 0


def test_a_model_that_cannot_be_opened_is_told_without_its_path(
    database: Database, settings: ServiceSettings, store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    worker = make_worker(database, settings, None)

    def broken(_: object) -> None:
        raise CheckpointError("/srv/secret/model is broken")

    worker._bench._opener = broken  # pyright: ignore[reportAttributeAccessIssue]
    job, _ = store.submit(some_job())
    thread = threading.Thread(target=worker.run)
    thread.start()
    told = ended(store, job)
    worker.stop()
    thread.join(10)
    assert told.problem == "the model miniature cannot be opened; the log of the service says why"
    assert "/srv/secret" in caplog.text
