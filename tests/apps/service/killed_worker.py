"""The worker process of `limner serve` with a studio that draws at once: python -m tests.apps.service.killed_worker."""

from limner.apps.service.worker_process import main
from tests.apps.service.fakes import FakeStudio

SECONDS_PER_STEP = 0.03

if __name__ == "__main__":
    main(lambda _: FakeStudio(SECONDS_PER_STEP))  # pyright: ignore[reportArgumentType]
