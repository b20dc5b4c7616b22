"""An objective for the tests of studies: closed-form, and as slow as a test needs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.objective import Direction, FloatArray
from search_space import complexity
from search_space.subnet import Subnet


@dataclass
class Quality:
    """A stand-in for accuracy: grows with the operations, takes `seconds` each, notes what it measured."""

    seconds: float = 0.0
    name: str = "quality"
    unit: str = "%"
    direction: Direction = "max"
    is_expensive: bool = True

    def __post_init__(self) -> None:
        self.measured: list[Subnet] = []
        self.groups: list[int] = []

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        self.measured += subnets
        self.groups.append(len(subnets))
        time.sleep(self.seconds * len(subnets))
        macs = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
        return 100 * macs / (macs + 1e6)

    def fingerprint(self) -> dict[str, str]:
        return {"quality": "1"}
