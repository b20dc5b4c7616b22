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


@dataclass(frozen=True)
class Size:
    """A count made from the subnet alone; smaller is better.

    Attributes:
        name: Name on the command line.
        unit: Unit of the count.
        count: Counts one subnet.
        version: Version of the way of counting; changes whenever equal networks may be counted differently.
    """

    name: str
    unit: str
    count: Callable[[Subnet], int]
    version: str
    direction: ClassVar[Direction] = "min"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network",)
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Counts (n,)."""
        return np.array([self.count(subnet) for subnet in subnets], dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        """Version of the way of counting."""
        return {f"{self.name}_count": self.version}


def peak_activation_bytes(subnet: Subnet) -> int:
    """Peak of the activation memory in bytes, with ops run one by one in order.

    This is what the compiler Vela allocates with its scheduler's feature `Cascading` disabled, so that it
    neither works in stripes nor copies weights into SRAM. It is the same on every Ethos-U55: whole bricks of
    16 channels, operands and result of an op, its temporaries, and what is needed later, such as a block's
    residual. See `objectives.hardware.npu_passes.live_memory`.
    """
    return peak_bytes(workload(subnet))


MACS = Size("macs", "MACs", complexity.macs, version="1")
"""Multiply-accumulates of one inference."""
PARAMS = Size("params", "parameters", complexity.params, version="1")
"""Trained numbers."""
SRAM = Size("sram", "bytes", peak_activation_bytes, version="2")
"""Peak activation memory in bytes, as the compiler allocates it; the same on every chip."""
