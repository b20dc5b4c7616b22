"""An objective for the tests of studies: closed-form, and as slow as a test needs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from objectives.objective import Dependency, Direction, Stops, percent
from search_space import complexity
from search_space.arrays import Booleans, Floats
from search_space.subnet import Subnet


@dataclass
class Quality:
    """A stand-in for accuracy: grows with the operations, takes `seconds` each, notes what it measured."""

    seconds: float = 0.0
    name: str = "quality"
    unit: str = "%"
    direction: Direction = "max"
    depends_on: tuple[Dependency, ...] = ("network",)
    follows_size: bool = False
    is_expensive: bool = True

    def __post_init__(self) -> None:
        self.measured: list[Subnet] = []
        self.groups: list[int] = []

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        self.measured += subnets
        self.groups.append(len(subnets))
        time.sleep(self.seconds * len(subnets))
        macs = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
        return 100 * macs / (macs + 1e6)

    def fingerprint(self) -> dict[str, str]:
        return {"quality": "1"}


@dataclass
class ImageQuality(Quality):
    """The same as a share of images; which of them a subnet is right on depends on the subnet alone."""

    name: str = "acc"
    images: int = 1000
    slice_images: int = 100

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[Booleans]:
        self.groups.append(len(subnets))
        return [self._one(place, subnet, stops) for place, subnet in enumerate(subnets)]

    def _one(self, place: int, subnet: Subnet, stops: Stops | None) -> Booleans:
        self.measured.append(subnet)
        macs = complexity.macs(subnet)
        difficulty = np.random.default_rng(0).random(self.images)
        luck = np.random.default_rng(crc32(str(subnet).encode())).random(self.images)
        right: Booleans = difficulty < macs / (macs + 1e6) + 0.4 * (luck - 0.5)
        for seen in range(self.slice_images, self.images, self.slice_images):
            time.sleep(self.seconds * self.slice_images / self.images)
            if stops is not None and stops(place, right[:seen]):
                return right[:seen]
        return right

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.array([percent(int(one.sum()), self.images) for one in self.right(subnets)])
