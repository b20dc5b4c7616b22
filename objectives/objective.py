"""The contract of an objective: a named, directed quantity with a unit, measured for many subnets at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from objectives.hardware.chip import Chip
from search_space.subnet import Subnet

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Direction = Literal["max", "min"]

Stops = Callable[[int, BoolArray], bool]
"""Whether a subnet, given as its place in the batch, is to stop after what it has on the images so far."""


@runtime_checkable
class Objective(Protocol):
    """What the search optimises or constrains.

    It gets all subnets of a batch together, so that an accuracy oracle can share work and a cost model
    can vectorise. A value depends on the subnet alone, never on the rest of the batch.

    Example:
        >>> from search_space import load_space
        >>> class Depth:
        ...     name, unit, direction, is_expensive = "depth", "blocks", "max", False
        ...     version = "1"
        ...     def __call__(self, subnets):
        ...         return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]
        ...     def fingerprint(self):
        ...         return {}
        >>> from objectives import Objective
        >>> isinstance(Depth(), Objective)
        True
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs", "depth"), population=6, generations=1)
        >>> study = run_study(settings, database="studies.db", objectives=[Depth()])
        >>> study.front()[0]["depth"] < study.front()[-1]["depth"]
        True
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


@runtime_checkable
class ImageObjective(Objective, Protocol):
    """An objective that is the share of images, in %, that a subnet is right on.

    The images are in random order, so that the first of them, however many, are a fair sample.
    """

    @property
    def images(self) -> int:
        """How many images score a subnet."""
        ...

    @property
    def slice_images(self) -> int:
        """How many images are scored at a time."""
        ...

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[BoolArray]:
        """Whether each subnet is right on each image, image by image as it is without the others.

        Args:
            subnets: What to score.
            stops: Asked after each slice but the last about each subnet that is still scored; it may run in
                another process.

        Returns:
            For each subnet ``(n,)``; n is `images` unless it was stopped.
        """
        ...


@dataclass(frozen=True)
class Design:
    """A network on a chip: what a study evaluates where it searches both.

    Attributes:
        subnet: The network.
        chip: The chip, as far as it is searched.
    """

    subnet: Subnet
    chip: Chip


@runtime_checkable
class ChipObjective(Objective, Protocol):
    """An objective whose value depends on the chip, of networks that are each on one of their own."""

    def on_chips(self, designs: Sequence[Design]) -> FloatArray:
        """Values of n designs, float64 (n,), in order; an empty array for none."""
        ...


def percent(right: int, images: int) -> float:
    """Value of a subnet that is right on `right` of `images` images."""
    return 100 * right / images
