"""Keeping diffusers' and transformers' remarks and loading bars off the user's screen while Limner calls them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries(*, keep_bars: bool = False) -> Iterator[None]:
    """Errors only, for the length of a block; afterwards both libraries are as they were.

    Args:
        keep_bars: leave loading bars on, because a download may take minutes.
    """
    # Each library sets its own level when it is first imported, so that has to be over.
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    libraries = (of_diffusers, of_transformers)
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = [library.is_progress_bar_enabled() for library in libraries]
    try:
        for logger, library in zip(loggers, libraries, strict=True):
            logger.setLevel(logging.ERROR)
            if not keep_bars:
                library.disable_progress_bar()
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for library, had_bars in zip(libraries, bars, strict=True):
            if had_bars and not keep_bars:
                library.enable_progress_bar()
