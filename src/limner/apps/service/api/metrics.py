"""Numbers for Prometheus: what this process answered, and what the database knows of all machines."""

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from limner.apps.service.database import COUNTERS, Database
from limner.apps.service.leases import PRESENT
from limner.apps.service.queueing import waiting
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import counters, identities, jobs, workers

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The numbers of one service."""

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Stored(database, settings))
        labels = ("route", "method", "status")
        self._requests = Counter("limner_requests", "Requests answered.", labels, registry=self._registry)
        self._seconds = Histogram(
            "limner_request_seconds", "Time to answer.", ("route",), registry=self._registry, buckets=_SECONDS
        )

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        known = method if method in ("GET", "POST", "DELETE") else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


def workers_present(connection: sa.Connection, now: float, settings: ServiceSettings) -> int:
    """How many workers gave a sign lately."""
    newest = now - PRESENT * settings.times.lease
    return connection.scalar(sa.select(sa.func.count()).select_from(workers).where(workers.c.seen_at > newest)) or 0


class _Stored(Collector):
    """Read anew each time, so that restarts and other machines are in it."""

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._database, self._settings = database, settings

    def describe(self) -> list:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        with self._database.reading() as connection:
            now = self._database.now(connection)
            by_state = connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)).all()
            people = connection.scalar(sa.select(sa.func.count()).select_from(identities))
            _, oldest = waiting(connection)
            present = workers_present(connection, now, self._settings)
            values = {row.name: row.value for row in connection.execute(sa.select(counters))}
        states = GaugeMetricFamily("limner_jobs", "Jobs kept, by state.", labels=["state"])
        for state, number in by_state:
            states.add_metric([state], number)
        yield states
        yield GaugeMetricFamily("limner_identities", "People kept.", people or 0)
        yield GaugeMetricFamily("limner_queue_seconds", "How long the first job waits.", now - (oldest or now))
        yield GaugeMetricFamily("limner_workers", "Workers that gave a sign lately.", present)
        for name in COUNTERS:
            yield CounterMetricFamily(f"limner_{name}", f"{name.replace('_', ' ').capitalize()} so far.", values[name])
