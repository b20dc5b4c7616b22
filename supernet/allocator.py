"""Lets glibc keep freed memory instead of handing it back to the system after every layer.

Activations of tens of megabytes are allocated and freed once a layer. By default glibc returns them to the
kernel each time, and the page faults of getting them again cost a fifth to a third of a training step on
CPUs (`benchmarks/cpu_kernels.py`).
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""glibc refuses more."""


def keep_freed_memory() -> bool:
    """Sets the thresholds for this process; returns whether the C library took them (glibc only)."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    took_mmap = mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    took_trim = mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return bool(took_mmap and took_trim)
