"""A user's own objectives and samplers, right and wrong ones, for `tests/studies/test_own_code.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from search_space.genotype import Genotype
from search_space.subnet import Subnet
from studies import Sampler


class Depth:
    """Blocks of a subnet."""

    name, unit, direction, version = "depth", "blocks", "max", "1"

    def __call__(self, subnets: Sequence[Subnet]) -> list[int]:
        return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]


class Power(Depth):
    """A made-up power in milliwatts that falls with the resolution."""

    name, unit, direction = "draw", "mW", "min"

    def __call__(self, subnets: Sequence[Subnet]) -> list[float]:  # type: ignore[override]
        return [100.0 / subnet.resolution for subnet in subnets]


class Slow(Depth):
    """The same blocks, measured by workers; notes in which process."""

    name, is_expensive = "slow", True

    def __call__(self, subnets: Sequence[Subnet]) -> list[int]:
        with open("processes.txt", "a") as file:  # noqa: PTH123
            file.write(f"{os.getpid()}\n")
        return super().__call__(subnets)


class SlowAndWrong(Slow):
    def __call__(self, subnets: Sequence[Subnet]) -> list[int]:
        raise ArithmeticError("not today")


class Unversioned(Depth):
    version = None  # type: ignore[assignment]


class NoUnit:
    name, direction = "depth", "max"


class NoDirection:
    name, unit = "depth", "blocks"


class NotCallable:
    name, unit, direction, version = "depth", "blocks", "max", "1"


class BadName(Depth):
    name = "my depth"


class BuiltIn(Depth):
    name = "lat"


class NeedsArguments(Depth):
    def __init__(self, number: int) -> None:
        self.number = number


class WrongShape(Depth):
    def __call__(self, subnets: Sequence[Subnet]) -> list[int]:
        return [1, 2, 3]


class Texts(Depth):
    def __call__(self, subnets: Sequence[Subnet]) -> list[str]:  # type: ignore[override]
        return ["deep" for _ in subnets]


class NotANumber(Depth):
    def __call__(self, subnets: Sequence[Subnet]) -> list[float]:  # type: ignore[override]
        return [float("nan") for _ in subnets]


class Fails(Depth):
    def __call__(self, subnets: Sequence[Subnet]) -> list[int]:
        raise ZeroDivisionError("division\nby zero")


class BadFingerprint(Depth):
    def fingerprint(self) -> list[str]:
        return ["1"]


class Draws(Sampler):
    """Random search, written by a user."""

    version = "1"

    def _propose(self, count: int) -> Sequence[Genotype]:
        return self._draw(count)


class Misses(Draws):
    def _propose(self, count: int) -> Sequence[Genotype]:
        raise LookupError("lost")


class NoSampler:
    version = "1"

    def __init__(self, context: object) -> None:
        pass


number = 3
