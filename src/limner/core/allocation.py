"""How the C library hands out memory, for programs that run for hours."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
"""Parameter numbers of glibc's ``mallopt``."""
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed instead of handing it back; gives whether this is done.

    Large arrays otherwise come from the system anew each time, zeroed page by page: half of the time in which faces are
    generated on a CPU. For commands that run for hours, not for a library: it holds for the whole
    process, and the process keeps the most it ever needed.
    """
    return _set(_MMAP_MAX, 0) and _set(_TRIM_THRESHOLD, _NEVER)


def share_one_heap() -> bool:
    """Have all threads of glibc take memory from one heap; gives whether this is done.

    Otherwise threads get heaps of their own, and a process whose threads come and go for each request keeps
    what they leave half empty: the server grew by 12 kB a job without end, with this by nothing (``docs/service.md``).
    Threads then wait for each other in ``malloc``, which does not matter where Python's lock keeps them apart anyway.
    To be called before threads are started.
    """
    return _set(_ARENA_MAX, 1)


def _set(parameter: int, value: int) -> bool:
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).mallopt(parameter, value))
