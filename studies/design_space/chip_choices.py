"""Which chips a study may choose from: `--search-hardware "macros=0,1,2,4,8 units=1,2,4"`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import product

from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware.soc import MOST_PARTS
from search_space.errors import H4HError, UnknownNameError
from search_space.files.yaml_document import Document

OPTION = "--search-hardware"
LEAST = {"macros": 0, "units": 1}
MOST_OPTIONS = 32
"""Of one choice: a chip has tables of costs of its own."""


class HardwareOptionError(H4HError):
    """A choice of hardware that cannot be."""


@dataclass(frozen=True)
class HardwareOptions(Document):
    """What may be chosen of a chip; an empty choice is not searched.

    Attributes:
        macros: Numbers of CIM macros, ascending; 0 is the NPU alone.
        units: Numbers of compute units in each macro, ascending.
    """

    macros: tuple[int, ...] = ()
    units: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices:
            raise HardwareOptionError(
                f"{OPTION} must name a choice, macros or units or both, such as 'macros=0,4,8 units=1,2'"
            )
        for name, options in self.choices.items():
            _check_options(name, options)

    @property
    def choices(self) -> dict[str, tuple[int, ...]]:
        """Options by name of the choice, of those that are searched, in the order of the genes."""
        all_of_them = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: options for name, options in all_of_them.items() if options}

    def __str__(self) -> str:
        """As `parse_hardware` reads it; equal choices have equal texts."""
        return " ".join(f"{name}={','.join(map(str, found))}" for name, found in self.choices.items())

    @property
    def chips(self) -> tuple[Chip, ...]:
        """Every chip once, fewest macros first."""
        return self._of(self.choices)

    @property
    def corners(self) -> tuple[Chip, ...]:
        """The chips with the least and the most of each choice, up to four."""
        return self._of({name: (found[0], found[-1]) for name, found in self.choices.items()})

    @property
    def greatest(self) -> Chip:
        """The chip with the most of each choice."""
        return self.corners[-1]

    @staticmethod
    def _of(choices: dict[str, tuple[int, ...]]) -> tuple[Chip, ...]:
        found = (chip(dict(zip(choices, one, strict=True))) for one in product(*choices.values()))
        return tuple(dict.fromkeys(found))


def chip(chosen: dict[str, int]) -> Chip:
    """The chip with these numbers by name of the choice. Without macros the number of units says nothing."""
    macros = chosen.get("macros")
    return Chip(macros, None if macros == 0 else chosen.get("units"))


def parse_hardware(text: str) -> HardwareOptions:
    """Reads choices such as ``"macros=0,1,2,4,8 units=1,2,4"``, in any order.

    Raises:
        UnknownNameError: A choice of another name.
        HardwareOptionError: Bad syntax, a choice or an option given twice, or an option out of range.
    """
    found: dict[str, tuple[int, ...]] = {}
    for word in text.split():
        name, equals, listed = word.partition("=")
        if not equals:
            raise HardwareOptionError(
                f"{OPTION} must be choices with their options, such as 'macros=0,1,2,4,8 units=1,2,4', but "
                f"got {text!r}"
            )
        if name not in LEAST:
            raise UnknownNameError(f"choice of {OPTION}", name, LEAST)
        if name in found:
            raise HardwareOptionError(f"{OPTION} names {name} twice: give all its options at once")
        found[name] = tuple(sorted(_integer(name, option) for option in listed.split(",")))
    return HardwareOptions(**found)


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise HardwareOptionError(
            f"{OPTION}: {name} must be whole numbers joined by commas, such as {name}=1,2,4, but got "
            f"{text!r:.40}"
        ) from None


def _check_options(name: str, options: tuple[int, ...]) -> None:
    if len(set(options)) != len(options):
        twice = next(option for option in options if options.count(option) > 1)
        raise HardwareOptionError(f"{OPTION}: {name} lists {twice} twice: give each option once")
    if list(options) != sorted(options):
        raise HardwareOptionError(f"{OPTION}: {name} must be in ascending order, but got {list(options)}")
    for option in options:
        if not LEAST[name] <= option <= MOST_PARTS:
            raise HardwareOptionError(
                f"{OPTION}: {name} must be {LEAST[name]} to {MOST_PARTS}, but got {option}"
            )
    if len(options) > MOST_OPTIONS:
        raise HardwareOptionError(
            f"{OPTION}: {name} must have at most {MOST_OPTIONS} options, but got {len(options)}"
        )


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
        return self.file.variant(chip.over(self.given))

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
    start = chips.file.variant(chips.given)
    if start.cim is None:
        raise HardwareOptionError(
            f"{OPTION} needs a chip with macros to copy, but hardware {start.name!r} has none: take one that "
            f"has, such as u55-256-cim8"
        )
    for chip in chips.options.corners:
        CostModel(chips.soc(chip), mapping, npu_model=npu_model)
