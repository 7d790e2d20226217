"""Freed memory is kept where glibc can be told to; elsewhere nothing is promised."""

import platform
import subprocess
import sys

import pytest

from limner.core.allocation import keep_freed_memory, share_one_heap

glibc_only = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
PROGRAM = """
import resource, numpy as np
from limner.core.allocation import keep_freed_memory
{call}
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> int:
    program = [sys.executable, "-c", PROGRAM.format(call=call)]
    return int(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


HEAPS = """
import ctypes, os, threading
from limner.core.allocation import share_one_heap
{call}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(4)
def take():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def heaps(call: str) -> int:
    program = [sys.executable, "-c", HEAPS.format(call=call)]
    return subprocess.run(program, capture_output=True, text=True, check=True).stdout.count("<heap nr=")


@glibc_only
def test_threads_share_one_heap() -> None:
    assert heaps("") > 1
    assert heaps("assert share_one_heap()") == 1


@glibc_only
def test_pages_are_fetched_once() -> None:
    """Twenty arrays of 64 MB after a first one: 15,625 pages each, fewer where the system gives large ones."""
    assert faults("assert keep_freed_memory()") < faults("") / 3


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
    assert not share_one_heap()
