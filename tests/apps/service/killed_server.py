"""A whole service to be killed: python -m tests.apps.service.killed_server FOLDER PORT DATABASE."""

import sys
from pathlib import Path

from limner.apps.service.serving import serve
from limner.apps.service.settings import ServiceSettings, Times

WORKER = (sys.executable, "-m", "tests.apps.service.killed_worker")


def main(folder: Path, port: int, database: str) -> None:
    times = {"latency_budget": 0.05, "poll": 0.05, "lease": 1.5, "job": 20.0, "stop": 2.0}
    settings = ServiceSettings(data=folder, database=database, times=Times(**times), batch_pictures=6, max_attempts=20)
    serve(settings, host="127.0.0.1", port=port, workers=1, program=WORKER)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
