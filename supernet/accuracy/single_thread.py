"""Computing in one thread, so that results do not depend on how many there are.

torch's kernels for CPUs divide sums among threads, and the order of a sum decides its last bits: class scores
of the shipped supernet differ in 20 of 20 subnets between one, two and four threads, and in bf16 also what
some images are taken for. With one thread, other cores are used by other processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_users = 0
_before = 1


@contextmanager
def single_thread() -> Iterator[None]:
    """Has torch compute in the calling thread alone; may be used by several threads at once."""
    global _users, _before
    with _lock:
        if _users == 0:
            _before = torch.get_num_threads()
        _users += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            # The setting is the process's; others may still be at work.
            if _users == 0:
                torch.set_num_threads(_before)
