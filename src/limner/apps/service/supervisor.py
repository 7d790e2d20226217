"""Workers as child processes of the server: started again when they die, told to stop when it stops."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from limner.apps.service.settings import ServiceSettings
from limner.apps.service.worker_process import EXIT_REFUSED

LOOK_EVERY = 0.5
MOST_SECONDS_BETWEEN_STARTS = 30.0
PROGRAM = (sys.executable, "-m", "limner.apps.service.worker_process")

_log = logging.getLogger(__name__)


class Supervisor:
    """Keeps a number of workers alive.

    Args:
        refused: called when a worker cannot work at all, for instance because the model is missing.
        program: the command of a worker; it reads its settings from the standard input, which stays open as long as
            this process lives.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        number: int,
        refused: Callable[[], None],
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self._line = settings.model_dump_json() + "\n"
        self._grace = settings.times.stop + settings.times.lease
        self._refused, self._program = refused, program
        self._workers: list[subprocess.Popen[str]] = []
        self._number = number
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the workers, and a thread that looks after them."""
        self._workers = [self._spawn() for _ in range(self._number)]
        self._thread.start()

    def stop(self) -> None:
        """Tell the workers to stop and wait until they have; returns at the latest when their time is over."""
        self._stop.set()
        self._thread.join()
        for worker in self._workers:
            if worker.stdin is not None:
                worker.stdin.close()
        for worker in self._workers:
            try:
                worker.wait(self._grace)
            except subprocess.TimeoutExpired:
                _log.warning("worker %d does not stop and is killed; its jobs are taken up again", worker.pid)
                worker.kill()
                worker.wait()

    def _spawn(self) -> subprocess.Popen[str]:
        worker = subprocess.Popen(self._program, stdin=subprocess.PIPE, text=True)
        assert worker.stdin is not None
        try:
            worker.stdin.write(self._line)
            worker.stdin.flush()
        except BrokenPipeError:
            _log.error("worker %d died at once", worker.pid)
        return worker

    def _watch(self) -> None:
        pause, started = 1.0, time.monotonic()
        while not self._stop.wait(LOOK_EVERY):
            for place, worker in enumerate(self._workers):
                code = worker.poll()
                if code is None:
                    continue
                if code == EXIT_REFUSED:
                    self._refused()
                    return
                # A worker that dies again and again is started more and more rarely.
                pause = 1.0 if time.monotonic() - started > 60 else min(pause * 2, MOST_SECONDS_BETWEEN_STARTS)
                _log.error("worker %d ended with code %d; another starts in %g s", worker.pid, code, pause)
                if self._stop.wait(pause):
                    return
                started = time.monotonic()
                self._workers[place] = self._spawn()
