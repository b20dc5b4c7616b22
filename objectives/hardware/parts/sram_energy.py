"""Energy of an SRAM access by the size of the SRAM: points of a memory compiler or model, interpolated."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

from search_space.errors import DocumentError
from search_space.files.yaml_document import Document

UNIT = "pJ/B"


@dataclass(frozen=True)
class SramEnergyTable(Document):
    """Energies at some sizes (`memory.sram_energy_table` of a SoC file).

    Example:
        >>> from objectives.hardware.parts.sram_energy import SramEnergyTable
        >>> table = SramEnergyTable("pJ/B", "a model", kib=(256, 1024), values=(1, 2))
        >>> [round(table.at(size), 6) for size in (256, 512, 1024, 4096)]
        [1.0, 1.414214, 2.0, 4.0]

    Attributes:
        unit: Must be ``pJ/B``.
        source: Publication, measurement or reasoning behind the values.
        kib: Sizes in KiB, ascending, at least two.
        values: Energy of a byte at each size.

    Raises:
        DocumentError: The unit is wrong, sizes are not ascending, or a number is not positive.
    """

    unit: str
    source: str
    kib: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.unit != UNIT:
            raise DocumentError(f"`unit` must be {UNIT!r}, but got {self.unit!r}")
        if not self.source.strip():
            raise DocumentError("`source` must state where the values come from, but is empty")
        if len(self.kib) != len(self.values) or len(self.kib) < 2:
            raise DocumentError(
                f"`kib` and `values` must have equally many numbers, at least 2, but got {len(self.kib)} and "
                f"{len(self.values)}"
            )
        if not all(0 < number < float("inf") for number in (*self.kib, *self.values)):
            raise DocumentError("`kib` and `values` must be positive and finite")
        if any(larger <= smaller for smaller, larger in pairwise(self.kib)):
            raise DocumentError(f"`kib` must be in ascending order, but got {list(self.kib)}")

    def at(self, kib: float) -> float:
        """Energy of a byte in an SRAM of `kib` KiB: a power law between two points and beyond the ends."""
        place = min(max(bisect_left(self.kib, kib), 1), len(self.kib) - 1)
        (size, larger), (value, next_value) = (
            column[place - 1 : place + 1] for column in (self.kib, self.values)
        )
        exponent = log(next_value / value) / log(larger / size)
        # Rounded, so that processors with other kernels of exp and log agree.
        return round(value * exp(exponent * log(kib / size)), 6)
