"""Where keys, the audit log, opt-outs and settings lie on this computer; nothing is made by importing."""

import os
from pathlib import Path

from limner.core.errors import InputError

VARIABLE = "LIMNER_DATA_FOLDER"
PRIVATE = 0o700


def data_folder() -> Path:
    """The folder named by ``LIMNER_DATA_FOLDER``, else the system's usual place for an application's data."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("limner", appauthor=False)


def private_folder() -> Path:
    """The same, made if it is missing, closed to other users.

    Raises:
        InputError: it cannot be made.
    """
    folder = data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
    except OSError as error:
        raise InputError(
            f"cannot make {folder} for keys and log ({error.strerror}); name another folder in {VARIABLE}"
        ) from error
    return folder
