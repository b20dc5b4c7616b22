"""Objectives that no hardware decides: multiply-accumulates, parameters, peak activation memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from objectives.objective import Direction, FloatArray
from objectives.workload import peak_bytes, workload
from search_space import complexity
from search_space.subnet import Subnet

VERSION = "1"
"""Changes whenever equal networks may count otherwise than before."""


@dataclass(frozen=True)
class Size:
    """A count made from the subnet alone; smaller is better.

    Attributes:
        name: As on the command line.
        unit: Of the count.
        count: Counts one subnet.
    """

    name: str
    unit: str
    count: Callable[[Subnet], int]
    direction: ClassVar[Direction] = "min"
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Counts (n,)."""
        return np.array([self.count(subnet) for subnet in subnets], dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        """Version of the way of counting."""
        return {f"{self.name}_count": VERSION}


def macs() -> Size:
    """Multiply-accumulates of one inference."""
    return Size("macs", "MACs", complexity.macs)


def params() -> Size:
    """Trained numbers."""
    return Size("params", "parameters", complexity.params)


def sram() -> Size:
    """Peak of the int8 activations alive at once, in bytes, with ops run one by one in order.

    An op's inputs and output are both alive while it runs, and with them what is needed later: a
    block's residual, V until the attention map is ready. No op works in place or in stripes.
    """
    return Size("sram", "bytes", lambda subnet: peak_bytes(workload(subnet)))
