"""How much memory measuring accuracies may take.

What counts is by how much the process grows over what it held before: maps, buffers of kernels, folded
weights, compiled kernels, and freed memory that the C library has not handed back. What it holds before,
weights, images and torch itself, does not count.

Freed memory is kept as long as there is room for it, since that is fastest; before a layer for which there
might be none, all of it is handed back (`allocator.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from supernet.network.freed_memory import held_bytes, return_freed_memory

DEFAULT_MEMORY = "8GB"
"""Unless told; a subnet of `imagenet224` alone needs 4.1 GB in float32."""
OVERHEAD = 30e6
"""Bytes for what is not counted piece by piece: kernels that oneDNN compiles for each shape, statistics."""
_HOLES = 2
"""New maps may not fit where others were freed: room is made before there is too little for twice a layer."""


class MemoryBudget:
    """Keeps a process that measures within a number of bytes.

    Args:
        limit: Most bytes by which the process may grow from now on.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        return_freed_memory()
        self._before = held_bytes()
        self._left = 0
        self._was_tight = False

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Around a measurement: what others in this process have taken since the last one does not count."""
        # What the last one left free is taken again by this one.
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
        """Hands freed memory back if the process might else exceed the limit.

        Args:
            need: Bytes that are about to be taken.
        """
        if held_bytes() - self._before + _HOLES * need > self.limit:
            self._was_tight = True
            return_freed_memory()
