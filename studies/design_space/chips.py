"""The chips of a study: a SoC file, what the command line fixes of it, and what is searched."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from studies.design_space.chip_choices import OPTION, HardwareOptionError, HardwareOptions

DECIDED = ("lat", "energy", "area")
"""Quantities that a chip decides."""


@dataclass(frozen=True)
class Chips:
    """The chips that networks of a study run on.

    Attributes:
        file: As the SoC file has it.
        given: What `--macros` and `--units` say.
        options: What is searched; None where all networks run on one chip.
    """

    file: SoC
    given: Chip
    options: HardwareOptions | None = None

    def soc(self, chip: Chip) -> SoC:
        """The SoC that `chip` is, as far as that is searched.

        Raises:
            H4HError: There can be no such variant of the file.
        """
        return chip.over(self.given).of(self.file)

    @property
    def greatest_chip(self) -> Chip:
        """The one with the most of everything that is searched."""
        return Chip() if self.options is None else self.options.greatest

    @property
    def greatest(self) -> SoC:
        """The SoC that stands for all: its numbers and tiles are those that the others have some of."""
        return self.soc(self.greatest_chip)


def check_chips(chips: Chips, *, mapping: str, npu_model: str) -> None:
    """Checks that every chip can be, and be mapped onto.

    Args:
        chips: The chips.
        mapping: As `CostModel` takes it.
        npu_model: As `CostModel` takes it.

    Raises:
        H4HError: One cannot, or a choice is fixed as well.
    """
    if chips.options is None:
        CostModel(chips.greatest, mapping, npu_model=npu_model)
        return
    for name in chips.options.choices:
        if getattr(chips.given, name) is not None:
            raise HardwareOptionError(
                f"--{name} {getattr(chips.given, name)} fixes what {OPTION} searches: leave out one of them"
            )
    start = chips.given.of(chips.file)
    if start.cim is None:
        raise HardwareOptionError(
            f"{OPTION} needs a chip with macros to copy, but hardware {start.name!r} has none: take one that "
            f"has, such as u55-256-cim8"
        )
    for chip in chips.options.corners:
        CostModel(chips.soc(chip), mapping, npu_model=npu_model)
