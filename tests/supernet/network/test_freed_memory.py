from __future__ import annotations

import platform
import sys

import pytest
import torch

from supernet.network.freed_memory import held_bytes, keep_freed_memory, return_freed_memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_held_bytes_grow_with_what_is_written() -> None:
    return_freed_memory()
    before = held_bytes()
    kept = torch.ones(50_000_000, dtype=torch.uint8)
    assert 0.9 < (held_bytes() - before) / kept.nbytes < 1.1


@glibc
def test_freed_memory_is_kept_until_it_is_handed_back() -> None:
    assert keep_freed_memory()
    return_freed_memory()
    before = held_bytes()
    maps = [torch.ones(5_000_000, dtype=torch.uint8) for _ in range(10)]
    last = maps[-1]
    del maps
    assert held_bytes() - before > 0.8 * 10 * last.nbytes
    assert return_freed_memory()
    assert held_bytes() - before < 1.5 * last.nbytes
