"""Single-threaded computation, so that results do not depend on the number of threads.

torch's CPU kernels split sums among threads, and the order of a sum decides its last bits. Class scores of
the shipped supernet differ in 20 of 20 subnets between one, two and four threads; in bf16 the predicted class
of some images differs as well. Other processes use the other cores.
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
    """Limits torch to the calling thread. Several threads may use it at once."""
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
            # The setting belongs to the process, and other threads may still need it.
            if _users == 0:
                torch.set_num_threads(_before)
