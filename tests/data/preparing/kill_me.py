"""A preparation with stubs in a process of its own, to be killed: python -m tests.data.preparing.kill_me PHOTOS SHARDS
WORKERS."""

import sys
from pathlib import Path

from limner.data.pools import open_pool
from limner.data.preparing.run import prepare
from tests.data.preparing.stubs import maker, small_settings

SECONDS_PER_PHOTO = 0.02


def main(photos: Path, shards: Path, workers: int) -> None:
    settings = small_settings()
    pool = open_pool(maker(photos, settings, SECONDS_PER_PHOTO), workers)
    print("ready", flush=True)
    prepare(photos, shards, settings, pool)
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
