"""Memory budget of accuracy evaluations.

The budget limits the growth of the process: maps, buffers of kernels, folded weights, compiled kernels, and
freed memory that the C library has not returned. Memory from before the evaluation (weights, images, torch
itself) does not count.

Freed memory is kept while there is room for it, since that is fastest. Before a layer that might not fit, all
of it is returned to the system (`freed_memory.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from supernet.network.freed_memory import held_bytes, return_freed_memory

DEFAULT_MEMORY = "8GB"
"""Default limit. One subnet of `imagenet224` needs 4.1 GB in float32."""
OVERHEAD = 40e6
"""Bytes that are not counted individually: kernels that oneDNN compiles for each shape, statistics."""
WIDENED_OVERHEAD = 15e6
"""Additional bytes where bf16 is emulated. In ten runs on CPUs limited to AVX2, the largest subnet of
`cifar32` took between 8 MB more and 14 MB less than what is counted without them."""
_HOLES = 2
"""Safety factor: a new map may not fit into the gaps that freed maps left."""


class MemoryBudget:
    """Keeps the growth of the process within a limit.

    Args:
        limit: Maximum growth in bytes, from now on.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        return_freed_memory()
        self._before = held_bytes()
        self._left = 0
        self._was_tight = False

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Context of an evaluation: memory that other code has taken since the last one does not count."""
        # This evaluation reuses the memory that the last one freed.
        self._before = held_bytes() - self._left
        try:
            yield
        finally:
            if self._was_tight:
                return_freed_memory()
                self._was_tight, self._left = False, 0
            else:
                self._left = held_bytes() - self._before

    def make_room(self, need: float) -> None:
        """Returns freed memory to the system if the process might exceed the limit.

        Args:
            need: Bytes that are about to be allocated.
        """
        if held_bytes() - self._before + _HOLES * need > self.limit:
            self._was_tight = True
            return_freed_memory()
