"""Control when glibc returns freed memory to the system.

Every layer allocates and frees activations of tens of megabytes. By default glibc returns them to the kernel
each time. The page faults of allocating them again cost a fifth to a third of a training step on CPUs
(`benchmarks/supernet/cpu_kernels.py`). Kept memory has gaps that maps of other sizes do not fit into. A
process may then hold a few times the memory that is alive.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
from functools import cache
from pathlib import Path

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Maximum that glibc accepts, in bytes."""
STATE = Path("/proc/self/statm")


def keep_freed_memory() -> bool:
    """Makes this process keep freed memory; returns whether the C library supports it (glibc only)."""
    library = _glibc()
    if library is None:
        return False
    took_mmap = library.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    took_trim = library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return bool(took_mmap and took_trim)


def return_freed_memory() -> bool:
    """Returns free pages to the system; returns whether the C library supports it (glibc only)."""
    library = _glibc()
    if library is None:
        return False
    library.malloc_trim(0)
    return True


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def held_bytes() -> int:
    """Anonymous memory of this process in bytes; 0 if the system does not report it (Linux only)."""
    try:
        with STATE.open("rb", buffering=0) as file:
            _, resident, shared, *_ = file.read(100).split()
    except OSError:  # Another system, or a container without /proc.
        return 0
    return (int(resident) - int(shared)) * mmap.PAGESIZE
