"""A worker as a process: opens what it needs, works until it is told to stop, or until its service is gone."""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable

from limner.apps.service.bench import Bench, Opener, open_studio
from limner.apps.service.blobs import Blobs
from limner.apps.service.database import Database
from limner.apps.service.settings import ServiceSettings
from limner.apps.service.worker import Worker
from limner.core.errors import LimnerError

EXIT_REFUSED = 2
"""The model cannot be opened or the database not used; starting again would not help."""


def run_worker(
    settings: ServiceSettings,
    *,
    opener: Opener = open_studio,
    watch: Callable[[Worker], None] = lambda _: None,
) -> None:
    """Work until SIGTERM or SIGINT comes.

    Args:
        opener: opens models.
        watch: is given the worker before it starts.

    Raises:
        LimnerError: the default model cannot be opened, or the database not used.
    """
    worker, database = open_worker(settings, opener)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    watch(worker)
    try:
        worker.run()
    finally:
        database.close()


def open_worker(settings: ServiceSettings, opener: Opener = open_studio) -> tuple[Worker, Database]:
    """A worker with its model open, ready to run, and the database to close afterwards.

    Raises:
        LimnerError: as :func:`run_worker`.
    """
    database = Database(settings.database_url)
    blobs = Blobs(settings.data)
    bench = Bench(database, settings, blobs, opener)
    bench.studio(settings.default_model)  # a service that cannot draw should say so before it takes jobs
    return Worker(database, blobs, bench, settings), database


def stop_when_input_ends(worker: Worker) -> None:
    """Stop the worker when the process that holds the other end of the standard input is gone, however it went."""

    def wait() -> None:
        sys.stdin.read()
        worker.stop()

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main(opener: Opener = open_studio) -> None:
    """The process that `limner serve` starts: settings come as one line of JSON on the standard input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(message)s")
    settings = ServiceSettings.model_validate(json.loads(sys.stdin.readline()))
    try:
        run_worker(settings, opener=opener, watch=stop_when_input_ends)
    except LimnerError as error:
        logging.getLogger(__name__).error("%s", error)
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
