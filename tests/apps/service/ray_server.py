"""A service on Ray that draws at once: python -m tests.apps.service.ray_server FOLDER PORT DATABASE."""

import sys
from pathlib import Path
from typing import Any

from limner.apps.service.ray_serving import serve_on_ray
from limner.apps.service.settings import ServiceSettings, Times
from tests.apps.service.fakes import FakeStudio

SECONDS_PER_STEP = 0.4


def slow_fake(_: object) -> FakeStudio:
    """What the workers open."""
    return FakeStudio(SECONDS_PER_STEP)


def main(folder: Path, port: int, database: str) -> None:
    times = Times(latency_budget=0.05, poll=0.1, lease=3.0, job=60.0, stop=3.0)
    settings = ServiceSettings(data=folder, database=database, times=times, batch_pictures=6, max_attempts=20)
    opener: Any = slow_fake
    serve_on_ray(settings, host="127.0.0.1", port=port, most_workers=3, opener=opener)


if __name__ == "__main__":
    from tests.apps.service import ray_server  # by its own name, so that Ray's workers find it

    ray_server.main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
