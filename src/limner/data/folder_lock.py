"""Keeping a second process out of a folder of shards while one changes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limner.core.errors import InputError

WORK = ".prepare"
"""Folder beside the shards for what is only of use while they are made."""


@contextmanager
def only_one(shards: Path) -> Iterator[None]:
    """Hold the folder; the system lets go of it when the process ends, however it ends.

    Raises:
        InputError: another process holds it, or it cannot be written.
    """
    import fcntl

    try:
        (shards / WORK).mkdir(parents=True, exist_ok=True)
        with (shards / WORK / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(f"another process is changing {shards}; wait until it has ended") from error
            for left_over in (*shards.glob(".*.part"), *(shards / WORK).rglob(".*.part")):
                left_over.unlink()  # of a process that was killed
            yield
    except PermissionError as error:
        raise InputError(f"{shards} cannot be written ({error.strerror}); choose a folder you may write to") from error
