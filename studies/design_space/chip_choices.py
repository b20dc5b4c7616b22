"""Chips that a study may choose from: `--search-hardware "macros=0,1,2,4,8 units=1,2,4"`.

A fixed chip is a choice of one: `ChipChoices()` has no genes and the single chip `Chip()`. The mapping onto a
chip is one more choice: a network that is mapped for low latency and for low energy is two designs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from objectives.hardware import MAPPINGS, CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware.npu_model import NPU_MODELS
from objectives.hardware.soc import MOST_PARTS
from search_space.arrays import Booleans, Genotypes
from search_space.errors import H4HError, UnknownNameError
from search_space.files.yaml_document import Document
from search_space.genotype import Gene, Genotype, GenotypeError, checked

OPTION = "--search-hardware"
HARDWARE = "hardware"
"""Key of the choices in a stored design space, and first part of the names of their genes."""
LEAST = {"macros": 0, "units": 1}
MAPPING = "mapping"
"""Name of the choice among mappings."""
SEARCHED_MAPPINGS = ("latency", "energy")
"""Mappings that a study may choose from, in the order of their options."""
MOST_OPTIONS = 32
"""Largest number of options of one choice: every chip has its own cost tables."""


class HardwareOptionError(H4HError):
    """Choices of hardware that are not possible."""


@dataclass(frozen=True)
class ChipChoices(Document):
    """Options for each choice of a chip. What has no options is fixed.

    A chip is encoded as one gene for each choice. Without macros the genes of units and mapping are inactive,
    so that equal chips have equal genes.

    Attributes:
        macros: Numbers of CIM macros, ascending; 0 is the NPU alone.
        units: Numbers of compute units in each macro, ascending.
        mapping: Costs that the mapping minimises, in the order of `SEARCHED_MAPPINGS`.
    """

    macros: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    mapping: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in LEAST:
            _check_numbers(name, getattr(self, name))
        _check_mappings(self.mapping)

    def __post_serialize__(self, data: dict[Any, Any]) -> dict[Any, Any]:
        # A study without a choice of mappings is stored as before there was one.
        return {key: value for key, value in data.items() if key != MAPPING or value}

    @cached_property
    def choices(self) -> dict[str, tuple[int, ...] | tuple[str, ...]]:
        """Options by name of each choice, in the order of the genes; empty for a fixed chip."""
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
        """The chips with the first and the last option of each choice, up to eight."""
        return _chips_of({name: (options[0], options[-1]) for name, options in self.choices.items()})

    @property
    def greatest(self) -> Chip:
        """The chip with the last option of each choice: the most macros and units."""
        return self.corners[-1]

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """One gene for each choice."""
        return tuple(Gene(f"{HARDWARE}.{name}", options) for name, options in self.choices.items())

    def active(self, genes: Sequence[int]) -> tuple[bool, ...]:
        """Whether the chip uses each gene.

        Raises:
            GenotypeError: A gene is out of range.
        """
        chosen = checked(genes, self.genes)
        if self._may_lack_macros and self.macros[chosen[0]] == 0:
            return (True,) + (False,) * (len(chosen) - 1)
        return (True,) * len(chosen)

    def active_rows(self, genes: Genotypes) -> Booleans:
        """`active` of many chips (n, genes) at once, unchecked: shape (n, genes)."""
        active = np.ones(genes.shape, dtype=np.bool_)
        if self._may_lack_macros:
            active[:, 1:] = genes[:, :1] != self.macros.index(0)
        return active

    @property
    def _may_lack_macros(self) -> bool:
        """Whether units and mapping are meaningless on some chip. The gene of the macros is the first one."""
        return 0 in self.macros

    def canonical(self, genes: Sequence[int]) -> Genotype:
        """`genes` with every inactive one set to 0: equal if and only if the chips are equal.

        Raises:
            GenotypeError: A gene is out of range.
        """
        active = self.active(genes)
        return tuple(int(gene) if is_active else 0 for gene, is_active in zip(genes, active, strict=True))

    def encode(self, chip: Chip) -> Genotype:
        """The canonical genes of `chip`. What it leaves open is the last option.

        Raises:
            GenotypeError: `chip` has a number or a mapping that is not among the options.
        """
        genes = []
        for name, options in self.choices.items():
            chosen = getattr(chip, name)
            if chosen is not None and chosen not in options:
                raise GenotypeError(f"{name} must be one of {list(options)}, but got {chosen}")
            genes.append(len(options) - 1 if chosen is None else options.index(chosen))
        return self.canonical(genes)

    def decode(self, genes: Sequence[int]) -> Chip:
        """The searched numbers of the chip that `genes` encode.

        Raises:
            GenotypeError: A gene is out of range.
        """
        options = zip(self.choices.items(), checked(genes, self.genes), strict=True)
        return _chip({name: numbers[index] for (name, numbers), index in options})


def _chips_of(choices: Mapping[str, Sequence[int | str]]) -> tuple[Chip, ...]:
    """All combinations of `choices`, each chip once."""
    combinations = product(*choices.values())
    return tuple(dict.fromkeys(_chip(dict(zip(choices, chosen, strict=True))) for chosen in combinations))


def _chip(chosen: dict[str, Any]) -> Chip:
    """The chip with these choices, by name. Without macros, units and mapping are undefined."""
    return Chip(macros=0) if chosen.get("macros") == 0 else Chip(**chosen)


def parse_hardware(text: str) -> ChipChoices:
    """Reads choices such as ``"macros=0,1,2,4,8 units=1,2,4"``, in any order.

    Raises:
        UnknownNameError: A choice has an unknown name.
        HardwareOptionError: The syntax is wrong, a choice or an option is given twice, or an option is out of
            range.
    """
    choices: dict[str, Any] = {}
    for word in text.split():
        name, equals, options = word.partition("=")
        if not equals:
            raise HardwareOptionError(
                f"{OPTION} must be choices with their options, such as 'macros=0,1,2,4,8 units=1,2,4', but "
                f"got {text!r}"
            )
        if name not in (*LEAST, MAPPING):
            raise UnknownNameError(f"choice of {OPTION}", name, (*LEAST, MAPPING))
        if name in choices:
            raise HardwareOptionError(f"{OPTION} names {name} twice: give all its options at once")
        given = options.split(",")
        if name == MAPPING:
            _check_mappings(given, in_order=False)
            choices[name] = tuple(sorted(given, key=SEARCHED_MAPPINGS.index))
        else:
            choices[name] = tuple(sorted(_integer(name, option) for option in given))
    if not choices:
        raise HardwareOptionError(
            f"{OPTION} must name macros, units or mapping, such as 'macros=0,4,8 units=1,2', but got {text!r}"
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


def _check_mappings(options: Sequence[str], *, in_order: bool = True) -> None:
    for option in options:
        if option not in SEARCHED_MAPPINGS:
            raise UnknownNameError(f"mapping of {OPTION}", option, SEARCHED_MAPPINGS)
    _check_different(MAPPING, options)
    if in_order and list(options) != sorted(options, key=SEARCHED_MAPPINGS.index):
        raise HardwareOptionError(
            f"{OPTION}: mapping must be in the order {', '.join(SEARCHED_MAPPINGS)}, but got {list(options)}"
        )


def _check_different(name: str, options: Sequence[int] | Sequence[str]) -> None:
    if len(set(options)) != len(options):
        twice = next(option for option in options if list(options).count(option) > 1)
        raise HardwareOptionError(f"{OPTION}: {name} lists {twice} twice: give each option once")


def _check_numbers(name: str, options: tuple[int, ...]) -> None:
    _check_different(name, options)
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


FIXED_CHIP = ChipChoices()
"""The choice of one chip."""


@dataclass(frozen=True)
class Chips:
    """The chips that the networks of a study run on.

    Attributes:
        file: The SoC file as it stands.
        given: Numbers fixed by `--macros` and `--units`, and the mapping where it is not searched.
        choices: What is searched; nothing for a fixed chip.
        npu_model: Source of the NPU's cycles, as `CostModel` takes it.
        spill: Whether activations that exceed the SRAM are costed, as `CostModel` takes it.
    """

    file: SoC
    given: Chip
    choices: ChipChoices = FIXED_CHIP
    npu_model: str = NPU_MODELS[0]
    spill: bool = False

    def soc(self, chip: Chip) -> SoC:
        """The SoC of one of the chips.

        Raises:
            H4HError: The file has no such variant.
        """
        return self.file.variant(chip.over(self.given))

    def costs(self, chip: Chip) -> CostModel:
        """The cost model of one of the chips, with its mapping.

        Raises:
            H4HError: The file has no such variant, or networks cannot be mapped onto it.
        """
        mapping = chip.over(self.given).mapping
        return CostModel.shared(
            self.soc(chip), mapping or MAPPINGS[0], npu_model=self.npu_model, spill=self.spill
        )

    @property
    def greatest(self) -> CostModel:
        """The cost model with the most macros and units. Its tiles include those of every other chip."""
        return self.costs(self.choices.greatest)


def check_chips(chips: Chips) -> None:
    """Checks that every chip exists and that networks can be mapped onto it.

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
        chips.costs(chip)
