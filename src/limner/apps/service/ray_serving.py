"""``limner serve --ray``: the same application and the same workers, as two applications of Ray Serve over PostgreSQL.

Ray keeps them alive and decides where they run; what is promised about jobs is kept by the database, as everywhere.
"""

import logging
import math
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from limner.apps.service.api.application import create_app
from limner.apps.service.api.desk import open_desk
from limner.apps.service.bench import Opener, open_studio
from limner.apps.service.database import Database
from limner.apps.service.job import OPEN
from limner.apps.service.serving import guarded_desk
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.tables import jobs
from limner.apps.service.worker_process import open_worker
from limner.core.errors import ConfigError
from limner.core.telemetry import report_nothing

API, WORKERS = "limner", "limner-workers"
"""Names of the two applications."""
API_REPLICAS = 2
"""One may be lost with its machine."""
API_PROCESSORS = 0.1
UPSCALE_SECONDS, DOWNSCALE_SECONDS = 2.0, 60.0
HEALTH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Drawer:
    """A worker inside a replica; it takes its jobs from the database, not from Ray.

    Args:
        settings: as JSON.
        opener: opens models.
    """

    def __init__(self, settings: str, opener: Opener = open_studio) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
        wanted = ServiceSettings.model_validate_json(settings)
        self._patience = wanted.times.stop + wanted.times.lease
        self._worker, self._database = open_worker(wanted, opener)
        self._thread = threading.Thread(target=self._worker.run, name="worker", daemon=True)
        self._thread.start()

    def check_health(self) -> None:
        """Asked by Ray from time to time.

        Raises:
            RuntimeError: the worker has ended, so that Ray starts another.
        """
        if not self._thread.is_alive():
            raise RuntimeError("the worker has ended; its log says why")

    def __del__(self) -> None:
        # Ray calls this when a replica is to go: what was begun goes on for a while, then back into the queue.
        if hasattr(self, "_thread"):
            self._worker.stop()
            self._thread.join(self._patience)
            self._database.close()


class QueuePolicy:
    """How many workers there should be: those whose passes the pictures that wait or are drawn would fill.

    The database is asked in a thread: Ray's controller, where this runs, must not wait for it.

    Args:
        settings: as JSON.
    """

    def __init__(self, settings: str) -> None:
        self._settings = ServiceSettings.model_validate_json(settings)
        self._database: Database | None = None
        self._asking: Future[int] | None = None
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="queue-policy")
        self._pictures = 0

    def __call__(self, _: Any) -> tuple[int, dict[str, Any]]:
        """The number wanted, which Ray keeps within its bounds, and nothing to remember."""
        if self._asking is not None and self._asking.done():
            self._note(self._asking)
            self._asking = None
        if self._asking is None:
            self._asking = self._threads.submit(self.open_pictures)
        return math.ceil(self._pictures / self._settings.batch_pictures), {}

    def open_pictures(self) -> int:
        """Pictures of jobs that wait or run."""
        if self._database is None:
            self._database = Database(self._settings.database_url)
        with self._database.reading() as connection:
            query = sa.select(sa.func.coalesce(sa.func.sum(jobs.c.rows), 0)).where(jobs.c.state.in_(OPEN))
            return int(connection.scalar(query) or 0)

    def _note(self, asked: "Future[int]") -> None:
        try:
            self._pictures = asked.result()
        except (OperationalError, ConfigError) as error:  # as many as before, until the database is back
            _log.warning("the length of the queue is not known: %s", error)


def serve_on_ray(
    settings: ServiceSettings, *, host: str, port: int, most_workers: int, opener: Opener = open_studio
) -> None:
    """Serve until SIGTERM or SIGINT comes, on the cluster that ``RAY_ADDRESS`` names or on one of this machine alone.

    Args:
        most_workers: replicas that draw, at the most; there is always one.
        opener: opens models.

    Raises:
        ConfigError: the database is not PostgreSQL, there is to be no worker, or see
            :func:`limner.apps.service.serving.guarded_desk`.
    """
    if not settings.database_url.startswith("postgresql"):
        raise ConfigError("on Ray the workers of several machines share a database; give one of PostgreSQL: --database")
    if most_workers < 1:
        raise ConfigError("with --ray there is at least one worker; leave --workers out, or give the most there may be")
    desk = guarded_desk(settings, host)
    desk.database.close()
    report_nothing()
    ray, serve = _ray()
    ray.init(namespace=API, include_dashboard=False, configure_logging=False, ignore_reinit_error=True)
    told = _told_to_stop()  # Ray has just set handlers of its own, which would end a start in the middle of it
    try:
        serve.start(http_options={"host": host, "port": port})
        serve.run(_workers(settings, most_workers, opener), name=WORKERS, route_prefix=None)
        serve.run(_api(settings, desk.needs_key), name=API, route_prefix="/")
        _log.info("serving at %s:%d on Ray, with 1 to %d workers", host, port, most_workers)
        told.wait()
        serve.shutdown()
    finally:
        ray.shutdown()
    _log.info("stopped")


def _ray() -> tuple[Any, Any]:
    """Ray and Ray Serve, which are not there where nobody needs them."""
    return import_module("ray"), import_module("ray.serve")


def _api(settings: ServiceSettings, needs_key: bool) -> Any:
    _, serve = _ray()

    def build() -> Any:
        return create_app(replace(open_desk(settings), needs_key=needs_key))

    deployment: Any = serve.deployment(
        name="api",
        num_replicas=API_REPLICAS,
        ray_actor_options={"num_cpus": API_PROCESSORS},
        max_ongoing_requests=settings.limits.streams + 64,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=settings.times.stop,
    )
    return deployment(serve.ingress(build)()).bind()


def _workers(settings: ServiceSettings, most: int, opener: Opener) -> Any:
    _, serve = _ray()
    config = serve.config
    told = settings.model_dump_json()
    on_gpu = any((model.device or "").startswith("cuda") for model in settings.models.values())
    deployment: Any = serve.deployment(
        name="worker",
        ray_actor_options={"num_cpus": 1, "num_gpus": int(on_gpu)},
        autoscaling_config=config.AutoscalingConfig(
            min_replicas=1,
            max_replicas=most,
            upscale_delay_s=UPSCALE_SECONDS,
            downscale_delay_s=DOWNSCALE_SECONDS,
            policy=config.AutoscalingPolicy(policy_function=QueuePolicy, policy_kwargs={"settings": told}),
        ),
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=settings.times.stop + settings.times.lease,
    )
    return deployment(Drawer).bind(told, opener)


def _told_to_stop() -> threading.Event:
    """Set as soon as SIGTERM or SIGINT has come."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told
