"""Size objectives, independent of hardware: multiply-accumulates, parameters, peak activation memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from objectives.objective import Dependency, Direction
from objectives.workload import peak_bytes, workload
from search_space import complexity
from search_space.arrays import Floats
from search_space.subnet import Subnet

VERSION = "1"
"""Changes whenever equal networks may be counted differently."""


@dataclass(frozen=True)
class Size:
    """A count made from the subnet alone; smaller is better.

    Attributes:
        name: Name on the command line.
        unit: Unit of the count.
        count: Counts one subnet.
    """

    name: str
    unit: str
    count: Callable[[Subnet], int]
    direction: ClassVar[Direction] = "min"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network",)
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Counts (n,)."""
        return np.array([self.count(subnet) for subnet in subnets], dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        """Version of the way of counting."""
        return {f"{self.name}_count": VERSION}


def peak_activation_bytes(subnet: Subnet) -> int:
    """Peak of the int8 activations alive at once, in bytes, with ops run one by one in order.

    An op's inputs and output are both alive while it runs, and with them what is needed later: a
    block's residual, V until the attention map is ready. No op works in place or in stripes.
    """
    return peak_bytes(workload(subnet))


MACS = Size("macs", "MACs", complexity.macs)
"""Multiply-accumulates of one inference."""
PARAMS = Size("params", "parameters", complexity.params)
"""Trained numbers."""
SRAM = Size("sram", "bytes", peak_activation_bytes)
"""Peak activation memory in bytes."""
