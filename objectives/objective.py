"""The contract of an objective: a named, directed quantity with a unit, measured for many subnets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from search_space.subnet import Subnet

FloatArray = npt.NDArray[np.float64]
Direction = Literal["max", "min"]


@runtime_checkable
class Objective(Protocol):
    """What the search optimises or constrains.

    It gets all subnets of a batch together, so that an accuracy oracle can share work and a cost model
    can vectorise. A value depends on the subnet alone, never on the rest of the batch.
    """

    @property
    def name(self) -> str:
        """Name on the command line, e.g. ``lat``."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the values, e.g. ``ms``."""
        ...

    @property
    def direction(self) -> Direction:
        """Whether more (``max``) or less (``min``) is better."""
        ...

    @property
    def is_expensive(self) -> bool:
        """Whether one value takes noticeable time, so that cheap constraints are checked before."""
        ...

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Values of n subnets, float64 (n,), in order; an empty array for no subnets."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """What decides the values of a given subnet, e.g. the digest of the SoC.

        Where it changes, values are not comparable, and a study does not go on.
        """
        ...
