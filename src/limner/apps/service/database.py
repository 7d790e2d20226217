"""The connection to SQLite or PostgreSQL: transactions, one clock for all machines, counters that outlive processes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, OperationalError

from limner.apps.service.tables import LOCAL, SCHEMA_VERSION, counters, job_people, keys, metadata
from limner.core.errors import ConfigError

WAIT_FOR_LOCK = 30
"""Seconds that a transaction waits for others on SQLite."""
COUNTERS = ("jobs_done", "jobs_failed", "jobs_cancelled", "pictures", "batches", "batch_rows", "busy_seconds")
_SCHEMA, _CLOCK = "schema", "clock"
_ONE_PERSON_A_JOB = 1
"""The version of the tables in which a job had a column for its person; the column stays, and nobody reads it."""
_SETUP_LOCK = 0x4C696D6E6572
"""Number of PostgreSQL's advisory lock under which the tables are made: "Limner" in hexadecimal."""


class Database:
    """Tables that are made when missing; threads may share it.

    Raises:
        ConfigError: the URL is not understood, the database cannot be reached, or it is of another version.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
            self.is_sqlite = parsed.get_backend_name() == "sqlite"
            if not self.is_sqlite and parsed.get_backend_name() != "postgresql":
                raise ConfigError(f"the database {parsed.render_as_string()} is neither SQLite nor PostgreSQL")
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            if self.is_sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(
                parsed,
                pool_size=16,
                max_overflow=32,
                pool_pre_ping=not self.is_sqlite,
                connect_args={"timeout": WAIT_FOR_LOCK} if self.is_sqlite else {},
            )
        except (ArgumentError, NoSuchModuleError, ValueError, OSError) as error:
            raise ConfigError(
                f"the database cannot be opened ({error}); give a URL such as sqlite:///jobs.db"
            ) from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        try:
            self._make_tables()
        except ConfigError:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that changes nothing."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed when the block ends and forgotten when it raises."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(limner_writes=True)
            with connection.begin():
                yield connection

    def now(self, connection: sa.Connection) -> float:
        """Seconds since 1970 by the clock that all workers share."""
        if self.is_sqlite:
            return time.time()
        return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)

    def scrub(self) -> None:
        """Take what was deleted out of SQLite's log too; PostgreSQL's own housekeeping does it there."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # pyright: ignore

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _make_tables(self) -> None:
        try:
            with self.writing() as connection:
                if not self.is_sqlite:
                    connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_SETUP_LOCK})"))
                metadata.create_all(connection)
                found = connection.scalar(sa.select(counters.c.value).where(counters.c.name == _SCHEMA))
                if found is None:
                    _fill(connection, self.now(connection))
                elif found == _ONE_PERSON_A_JOB:
                    _let_jobs_have_people(connection)
                elif found != SCHEMA_VERSION:
                    raise ConfigError(
                        f"the database is of version {found:g} and this Limner reads {SCHEMA_VERSION}; give another "
                        "database, or the Limner that made this one"
                    )
        except (OperationalError, IntegrityError) as error:
            raise ConfigError(f"the database cannot be used: {error.orig}") from error


def count(connection: sa.Connection, name: str, amount: float = 1) -> None:
    """Add to one of ``COUNTERS``, in the transaction of what is counted."""
    assert name in COUNTERS
    connection.execute(sa.update(counters).where(counters.c.name == name).values(value=counters.c.value + amount))


def fair_clock(connection: sa.Connection) -> float:
    """How much work the key last served had had: where a key that comes back after a pause begins."""
    return connection.scalar(sa.select(counters.c.value).where(counters.c.name == _CLOCK)) or 0.0


def advance_fair_clock(connection: sa.Connection, served: float) -> None:
    """Never goes back."""
    connection.execute(
        sa.update(counters).where(counters.c.name == _CLOCK, counters.c.value < served).values(value=served)
    )


def _fill(connection: sa.Connection, now: float) -> None:
    values = {_SCHEMA: SCHEMA_VERSION, _CLOCK: 0, **dict.fromkeys(COUNTERS, 0)}
    connection.execute(sa.insert(counters), [{"name": name, "value": value} for name, value in values.items()])
    # Its digest is no hash of anything, so nobody can present a key for it.
    local = {"id": LOCAL, "name": LOCAL, "digest": "", "scopes": "", "created_at": now, "revoked_at": now}
    connection.execute(sa.insert(keys), local)


def _let_jobs_have_people(connection: sa.Connection) -> None:
    before = sa.table("jobs", sa.column("id"), sa.column("identity_id"))
    known = sa.select(before.c.id, before.c.identity_id).where(before.c.identity_id.is_not(None))
    connection.execute(sa.insert(job_people).from_select(["job_id", "identity_id"], known))
    connection.execute(sa.update(counters).where(counters.c.name == _SCHEMA).values(value=SCHEMA_VERSION))


def _set_up_sqlite(connection, _) -> None:
    connection.isolation_level = None  # transactions begin in `_begin_sqlite`, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that will write takes the lock at once: turning a read into a write later may fail without waiting.
    writes = connection.get_execution_options().get("limner_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
