"""Chips that a study may choose from: `--search-hardware "macros=0,1,2,4,8 units=1,2,4"`.

A fixed chip is a choice of one: `ChipChoices()` has no genes and the single chip `Chip()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product

import numpy as np

from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware.soc import MOST_PARTS
from search_space.arrays import Booleans, Genotypes
from search_space.errors import H4HError, UnknownNameError
from search_space.files.yaml_document import Document
from search_space.genotype import Gene, Genotype, GenotypeError, checked

OPTION = "--search-hardware"
HARDWARE = "hardware"
"""Key of the choices in a stored design space, and first part of the names of their genes."""
LEAST = {"macros": 0, "units": 1}
MOST_OPTIONS = 32
"""Largest number of options of one choice: every chip has its own cost tables."""


class HardwareOptionError(H4HError):
    """Choices of hardware that are not possible."""


@dataclass(frozen=True)
class ChipChoices(Document):
    """Options for each number of a chip. A number without options is fixed.

    A chip is encoded as one gene for each searched number. Without macros the gene of the units is inactive,
    so that equal chips have equal genes.

    Attributes:
        macros: Numbers of CIM macros, ascending; 0 is the NPU alone.
        units: Numbers of compute units in each macro, ascending.
    """

    macros: tuple[int, ...] = ()
    units: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, options in self.choices.items():
            _check_options(name, options)

    @cached_property
    def choices(self) -> dict[str, tuple[int, ...]]:
        """Options by name of each searched number, in the order of the genes; empty for a fixed chip."""
        options_by_name = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: options for name, options in options_by_name.items() if options}

    def __str__(self) -> str:
        """The text that `parse_hardware` reads; equal choices have equal texts."""
        return " ".join(f"{name}={','.join(map(str, options))}" for name, options in self.choices.items())

    @cached_property
    def chips(self) -> tuple[Chip, ...]:
        """Every chip once, fewest macros first."""
        return _chips_of(self.choices)

    @cached_property
    def corners(self) -> tuple[Chip, ...]:
        """The chips with the least and the most of each searched number, up to four."""
        return _chips_of({name: (options[0], options[-1]) for name, options in self.choices.items()})

    @property
    def greatest(self) -> Chip:
        """The chip with the most of each searched number."""
        return self.corners[-1]

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """One gene for each searched number."""
        return tuple(Gene(f"{HARDWARE}.{name}", options) for name, options in self.choices.items())

    def active(self, genes: Sequence[int]) -> tuple[bool, ...]:
        """Whether the chip uses each gene.

        Raises:
            GenotypeError: A gene is out of range.
        """
        chosen = checked(genes, self.genes)
        if self._units_may_be_unused and self.macros[chosen[0]] == 0:
            return (True, False)
        return (True,) * len(chosen)

    def active_rows(self, genes: Genotypes) -> Booleans:
        """`active` of many chips (n, genes) at once, unchecked: shape (n, genes)."""
        active = np.ones(genes.shape, dtype=np.bool_)
        if self._units_may_be_unused:
            active[:, 1] = genes[:, 0] != self.macros.index(0)
        return active

    @property
    def _units_may_be_unused(self) -> bool:
        return 0 in self.macros and bool(self.units)

    def canonical(self, genes: Sequence[int]) -> Genotype:
        """`genes` with every inactive one set to 0: equal if and only if the chips are equal.

        Raises:
            GenotypeError: A gene is out of range.
        """
        active = self.active(genes)
        return tuple(int(gene) if is_active else 0 for gene, is_active in zip(genes, active, strict=True))

    def encode(self, chip: Chip) -> Genotype:
        """The canonical genes of `chip`. A number that it leaves open is as large as the options allow.

        Raises:
            GenotypeError: `chip` has a number that is not among the options.
        """
        genes = []
        for name, options in self.choices.items():
            number = getattr(chip, name)
            if number is not None and number not in options:
                raise GenotypeError(f"{name} must be one of {list(options)}, but got {number}")
            genes.append(len(options) - 1 if number is None else options.index(number))
        return self.canonical(genes)

    def decode(self, genes: Sequence[int]) -> Chip:
        """The searched numbers of the chip that `genes` encode.

        Raises:
            GenotypeError: A gene is out of range.
        """
        options = zip(self.choices.items(), checked(genes, self.genes), strict=True)
        return _chip({name: numbers[index] for (name, numbers), index in options})


FIXED_CHIP = ChipChoices()
"""The choice of one chip."""


def _chips_of(choices: dict[str, tuple[int, ...]]) -> tuple[Chip, ...]:
    """All combinations of `choices`, each chip once."""
    combinations = product(*choices.values())
    return tuple(dict.fromkeys(_chip(dict(zip(choices, numbers, strict=True))) for numbers in combinations))


def _chip(numbers: dict[str, int]) -> Chip:
    """The chip with these numbers, by name. Without macros the number of units is undefined."""
    macros = numbers.get("macros")
    return Chip(macros, None if macros == 0 else numbers.get("units"))


def parse_hardware(text: str) -> ChipChoices:
    """Reads choices such as ``"macros=0,1,2,4,8 units=1,2,4"``, in any order.

    Raises:
        UnknownNameError: A choice has an unknown name.
        HardwareOptionError: The syntax is wrong, a choice or an option is given twice, or an option is out of
            range.
    """
    choices: dict[str, tuple[int, ...]] = {}
    for word in text.split():
        name, equals, options = word.partition("=")
        if not equals:
            raise HardwareOptionError(
                f"{OPTION} must be choices with their options, such as 'macros=0,1,2,4,8 units=1,2,4', but "
                f"got {text!r}"
            )
        if name not in LEAST:
            raise UnknownNameError(f"choice of {OPTION}", name, LEAST)
        if name in choices:
            raise HardwareOptionError(f"{OPTION} names {name} twice: give all its options at once")
        choices[name] = tuple(sorted(_integer(name, option) for option in options.split(",")))
    if not choices:
        raise HardwareOptionError(
            f"{OPTION} must name macros, units or both, such as 'macros=0,4,8 units=1,2', but got {text!r}"
        )
    return ChipChoices(**choices)


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise HardwareOptionError(
            f"{OPTION}: {name} must be whole numbers separated by commas, such as {name}=1,2,4, but got "
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


@dataclass(frozen=True)
class Chips:
    """The chips that the networks of a study run on.

    Attributes:
        file: The SoC file as it stands.
        given: Numbers fixed by `--macros` and `--units`.
        choices: Numbers that are searched; none for a fixed chip.
    """

    file: SoC
    given: Chip
    choices: ChipChoices = FIXED_CHIP

    def soc(self, chip: Chip) -> SoC:
        """The SoC of one of the chips.

        Raises:
            H4HError: The file has no such variant.
        """
        return self.file.variant(chip.over(self.given))

    @property
    def greatest(self) -> SoC:
        """The SoC with the most macros and units. Its tiles include those of every other chip."""
        return self.soc(self.choices.greatest)


def check_chips(chips: Chips, *, mapping: str, npu_model: str) -> None:
    """Checks that every chip exists and that networks can be mapped onto it.

    Args:
        chips: The chips.
        mapping: Mapping as `CostModel` takes it.
        npu_model: NPU model as `CostModel` takes it.

    Raises:
        H4HError: A chip is impossible, or a number is both fixed and searched.
    """
    for name in chips.choices.choices:
        if getattr(chips.given, name) is not None:
            raise HardwareOptionError(
                f"--{name} {getattr(chips.given, name)} fixes what {OPTION} searches: leave out one of them"
            )
    if chips.choices.choices and (start := chips.file.variant(chips.given)).cim is None:
        raise HardwareOptionError(
            f"{OPTION} needs a chip with macros to copy, but hardware {start.name!r} has none: choose one "
            f"that has, such as u55-256-cim8"
        )
    for chip in chips.choices.corners:
        CostModel(chips.soc(chip), mapping, npu_model=npu_model)
