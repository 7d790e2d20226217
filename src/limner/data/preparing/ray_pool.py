"""The same work on a Ray cluster, by Ray Data: for photos that one machine would chew on for days.

Every machine needs Limner, and the photos at the same path (a network share). The environment variable RAY_ADDRESS
names the cluster; without it Ray uses this machine alone. Only this process writes; the others send their answers.
"""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from itertools import islice
from typing import Any

from limner.core.errors import LimnerError, MissingExtraError
from limner.core.telemetry import report_nothing
from limner.data.pools import Pool, WorkbenchMaker, use_one_thread

JOBS_PER_DATASET = 4096
"""Jobs and answers of one dataset lie in memory together; between two datasets the networks are read anew."""


def open_ray_pool(make: WorkbenchMaker) -> AbstractContextManager[Pool]:
    """A pool on the cluster; a connection or a cluster that it starts also ends with it.

    Raises:
        MissingExtraError: Ray is not installed; told at once.
    """
    return _opened(_import_ray(), make)


@contextmanager
def _opened(ray: Any, make: WorkbenchMaker) -> Iterator[Pool]:
    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield _RayPool(make)
    finally:
        if ours:
            ray.shutdown()


def _import_ray() -> Any:
    report_nothing()
    try:
        import_module("ray.data")
        return import_module("ray")
    except ImportError as error:
        raise MissingExtraError(
            f"--ray needs Ray Data, which is not installed ({error}); install it with: pip install 'limner[ray]'"
        ) from error


class _RayPool:
    def __init__(self, make: WorkbenchMaker) -> None:
        self._make = make

    def map(self, step: str, jobs: Iterable[Any]) -> Iterator[Any]:
        waiting = iter(jobs)
        while chunk := list(islice(waiting, JOBS_PER_DATASET)):
            yield from self._map_chunk(step, chunk)

    def _map_chunk(self, step: str, jobs: list[Any]) -> Iterator[Any]:
        """Answers arrive in any order; each is handed on as soon as all before it are there."""
        ray = _import_ray()
        ray.data.DataContext.get_current().enable_progress_bars = False
        workers = max(min(int(ray.cluster_resources().get("CPU", 1)), len(jobs)), 1)
        rows = [{"number": number, "job": pickle.dumps(job)} for number, job in enumerate(jobs)]
        answers = ray.data.from_items(rows, override_num_blocks=min(4 * workers, len(rows))).map(
            RayWorker,
            fn_constructor_args=(self._make, step),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        arrived: dict[int, Any] = {}
        wanted = 0
        for row in answers.iter_rows():
            arrived[row["number"]] = pickle.loads(row["answer"])
            while wanted in arrived:
                answer = arrived.pop(wanted)
                wanted += 1
                if isinstance(answer, LimnerError):
                    raise answer
                yield answer


class RayWorker:
    """One process of the cluster with a workbench of its own. Public only because Ray looks it up by name."""

    def __init__(self, make: WorkbenchMaker, step: str) -> None:
        use_one_thread()
        self._work = getattr(make(), step)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._work(pickle.loads(row["job"]))
        except LimnerError as error:  # Ray would wrap it, and the message for the user be lost
            answer = error
        return {"number": row["number"], "answer": pickle.dumps(answer)}
