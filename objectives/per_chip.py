"""Objectives of networks that are each on a chip of their own: model and chip searched together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from objectives.hardware.chip import Chip
from objectives.objective import Design, Direction, FloatArray, Objective
from search_space.subnet import Subnet


class PerChip:
    """An objective that the chip decides as well as the network, made for each chip when first asked for.

    Args:
        create: Makes the objective of one chip; name, unit and direction are the same for all.
        greatest: The chip whose objective stands for all where no chip is named, and in the fingerprint: its
            tiles are all that others stand on.
    """

    def __init__(self, create: Callable[[Chip], Objective], greatest: Chip) -> None:
        self._create = create
        self._made: dict[Chip, Objective] = {}
        self._greatest = self._of(greatest)

    def _of(self, chip: Chip) -> Objective:
        if chip not in self._made:
            self._made[chip] = self._create(chip)
        return self._made[chip]

    @property
    def name(self) -> str:
        """As on the command line."""
        return self._greatest.name

    @property
    def unit(self) -> str:
        """Of the values."""
        return self._greatest.unit

    @property
    def direction(self) -> Direction:
        """Whether more or less is better."""
        return self._greatest.direction

    @property
    def is_expensive(self) -> bool:
        """Whether one value takes noticeable time."""
        return self._greatest.is_expensive

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Values (n,) on the greatest chip."""
        return self._greatest(subnets)

    def on_chips(self, designs: Sequence[Design]) -> FloatArray:
        """Values (n,) of networks, each on its own chip; a chip is asked once, about all of its networks."""
        rows: dict[Chip, list[int]] = {}
        for row, design in enumerate(designs):
            rows.setdefault(design.chip, []).append(row)
        values = np.empty(len(designs))
        for chip, places in rows.items():
            values[places] = self._of(chip)([designs[place].subnet for place in places])
        return values

    def fingerprint(self) -> dict[str, str]:
        """That of the greatest chip; others follow from it and from the choices of the study."""
        return self._greatest.fingerprint()
