"""Lets glibc keep freed memory, or hand it back, as is wanted and not after every layer.

Activations of tens of megabytes are allocated and freed once a layer. By default glibc returns them to the
kernel each time, and the page faults of getting them again cost a fifth to a third of a training step on
CPUs (`benchmarks/supernet/cpu_kernels.py`). Kept, they leave holes that maps of other sizes do not fit into.
A process may then hold a few times the memory that is alive.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import sys
from functools import cache
from pathlib import Path

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""glibc refuses more."""


def keep_freed_memory() -> bool:
    """Sets the thresholds for this process; returns whether the C library took them (glibc only)."""
    library = _glibc()
    if library is None:
        return False
    took_mmap = library.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    took_trim = library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return bool(took_mmap and took_trim)


def return_freed_memory() -> bool:
    """Hands back whole pages that are free now; returns whether the C library can (glibc only)."""
    library = _glibc()
    if library is None:
        return False
    library.malloc_trim(0)
    return True


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def held_bytes() -> int:
    """Memory of this process that no file backs, in bytes; 0 where the system does not tell (Linux only)."""
    if sys.platform != "linux":
        return 0
    with Path("/proc/self/statm").open("rb", buffering=0) as file:
        _, resident, shared, *_ = file.read(100).split()
    return (int(resident) - int(shared)) * mmap.PAGESIZE
