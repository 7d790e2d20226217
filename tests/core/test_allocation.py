"""Freed memory is kept where glibc can be told to; elsewhere nothing is promised."""

import platform
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pages_are_fetched_once() -> None:
    """Twenty arrays of 64 MB after a first one: 15,625 pages each, fewer where the system gives large ones."""
    assert faults("assert keep_freed_memory()") < faults("") / 3


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from limner.core.allocation import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
