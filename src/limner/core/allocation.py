"""Memory for programs that make and drop large arrays over and over."""

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameter numbers of glibc's ``mallopt``."""
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed instead of handing it back; gives whether this is done.

    Large arrays otherwise come from the system anew each time, zeroed page by page: half of the time in which faces are
    generated on a CPU. For commands that run for hours, not for a library: it holds for the whole
    process, and the process keeps the most it ever needed.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
