"""Jobs and the people they name, on SQLite and PostgreSQL; and databases of other versions."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from limner.apps.service.blobs import Blobs, new_id
from limner.apps.service.database import Database
from limner.apps.service.errors import ConflictError, NotFoundError, UnacceptableError
from limner.apps.service.job import State
from limner.apps.service.jobs import JobStore
from limner.apps.service.leases import Leases
from limner.apps.service.people import PeopleStore, Wish
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import counters, identities, job_people, jobs, uploads
from limner.core.errors import ConfigError
from tests.apps.service.fakes import some_job

KINDS = ("identity", "portrait")


def add_upload(database: Database) -> str:
    row = {"id": new_id(), "owner": "local", "width": 8, "height": 8, "created_at": 0, "expires_at": 9e9}
    with database.writing() as connection:
        connection.execute(sa.insert(uploads), row)
    return row["id"]


def wish(*photos: str) -> Wish:
    return Wish("Ada", photos, None, "miniature", "it is me", "", "")


def test_jobs_wait_for_their_person_and_fail_with_it(
    store: JobStore, database: Database, settings: ServiceSettings, leases: Callable[[], Leases]
) -> None:
    people = PeopleStore(database, Blobs(settings.data), store, settings.limits)
    photo = add_upload(database)
    person = people.create("local", wish(photo))
    waiting, _ = store.submit(some_job(people=(person.id,)))
    with pytest.raises(NotFoundError, match="used already"):
        people.create("local", wish(photo))
    worker = leases()
    [learning] = worker.claim(KINDS)
    assert learning.kind == "identity"
    assert worker.claim(KINDS) == []
    worker.fail(learning, "refused", "photo 1: no face was found")
    ended, _ = store.get("local", waiting.id)
    assert (ended.state, ended.problem_code) == (State.FAILED, "identity_failed")
    assert "no face was found" in str(ended.problem)
    assert people.get("local", person.id).state == "failed"
    with pytest.raises(UnacceptableError, match="could not be made"):
        store.submit(some_job(people=(person.id,)))
    with pytest.raises(ConflictError, match="create the identity again"):
        store.retry("local", waiting.id)
    with pytest.raises(ConflictError, match="uploads of this job were deleted"):
        store.retry("local", learning.id)


def test_a_person_that_is_ready_lets_the_jobs_go(
    store: JobStore, database: Database, settings: ServiceSettings, leases: Callable[[], Leases]
) -> None:
    people = PeopleStore(database, Blobs(settings.data), store, settings.limits)
    person = people.create("local", wish(add_upload(database)))
    job, _ = store.submit(some_job(people=(person.id,)))
    worker = leases()
    [learning] = worker.claim(KINDS)

    def ready(connection: sa.Connection) -> None:
        connection.execute(sa.update(identities).values(state="ready", card=new_id()))

    assert worker.finish(learning, ready)
    assert [one.id for one in worker.claim(KINDS)] == [job.id]
    people.delete("local", person.id)
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(jobs)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(uploads)) == 0


def test_a_job_waits_until_the_last_of_its_people_is_ready(
    store: JobStore, database: Database, settings: ServiceSettings, leases: Callable[[], Leases]
) -> None:
    people = PeopleStore(database, Blobs(settings.data), store, settings.limits)
    both = [people.create("local", wish(add_upload(database))).id for _ in range(2)]
    job, _ = store.submit(some_job(people=(*both, both[0])))
    worker = leases()
    claimed = []
    for person in both:
        with database.writing() as connection:
            connection.execute(sa.update(identities).where(identities.c.id == person).values(state="ready"))
        claimed.append([one.id for one in worker.claim(("portrait",))])
    assert claimed == [[], [job.id]]


def test_a_database_of_another_version_is_refused(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(sa.update(counters).where(counters.c.name == "schema").values(value=99))
    with pytest.raises(ConfigError, match="version 99"):
        Database(database.engine.url.render_as_string(hide_password=False))


def test_jobs_of_a_database_in_which_each_had_one_person_keep_their_person(
    store: JobStore, database: Database, settings: ServiceSettings
) -> None:
    people = PeopleStore(database, Blobs(settings.data), store, settings.limits)
    person = people.create("local", wish(add_upload(database)))
    job, _ = store.submit(some_job())
    with database.writing() as connection:
        job_people.drop(connection)
        connection.execute(sa.text("ALTER TABLE jobs ADD COLUMN identity_id VARCHAR(32)"))
        told = sa.text("UPDATE jobs SET identity_id = :person WHERE id = :job")
        connection.execute(told, {"person": person.id, "job": job.id})
        connection.execute(sa.update(counters).where(counters.c.name == "schema").values(value=1))
    for _ in range(2):
        Database(database.engine.url.render_as_string(hide_password=False)).close()
    store.submit(some_job())
    people.delete("local", person.id)
    with pytest.raises(NotFoundError):
        store.get("local", job.id)
    assert len(store.list("local")) == 1


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "oracle+nothing://x", "sqlite:////proc/no/such"])
def test_a_wrong_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="database"):
        Database(url)
