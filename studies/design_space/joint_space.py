"""Networks and chips as one space: the genes of a search space, then one for each choice of hardware.

A network on a chip is a design. Its genotype is that of the network with the hardware genes appended; without
macros the gene of the units is inactive, so that equal designs have equal genotypes. What a network is does
not depend on its chip: `decode` ignores the hardware genes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.hardware.chip import Chip
from objectives.objective import Design
from search_space.arrays import Genotypes
from search_space.files.yaml_document import parse_document
from search_space.genotype import Gene, Genotype, GenotypeError, checked
from search_space.space import Space, Switch
from search_space.subnet import Subnet
from studies.design_space.chip_choices import HardwareOptions
from studies.design_space.chip_choices import chip as chip_with

HARDWARE = "hardware"
"""Key of the choices in the definition of a joint space, and first part of the names of their genes."""


@dataclass(frozen=True)
class JointSpace(Space):
    """A search space times the chips that its networks may run on.

    Attributes:
        hardware: What may be chosen of the chip.
    """

    hardware: HardwareOptions

    @classmethod
    def of(cls, space: Space, hardware: HardwareOptions) -> JointSpace:
        """`space` with genes for `hardware`."""
        return cls(
            name=space.name,
            resolution=space.resolution,
            stem=space.stem,
            stages=space.stages,
            head=space.head,
            hardware=hardware,
        )

    @cached_property
    def networks(self) -> Space:
        """The networks alone."""
        return Space(
            name=self.name, resolution=self.resolution, stem=self.stem, stages=self.stages, head=self.head
        )

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Those of the networks, then one for each choice of hardware."""
        chosen = self.hardware.choices.items()
        return (*self.networks.genes, *(Gene(f"{HARDWARE}.{name}", options) for name, options in chosen))

    @cached_property
    def _switches(self) -> tuple[Switch, ...]:
        choices, first = list(self.hardware.choices), len(self.networks.genes)
        if choices != ["macros", "units"]:
            return self.networks._switches
        units = (first + 1,)
        off = tuple(units if option == 0 else () for option in self.hardware.macros)
        return (*self.networks._switches, Switch(first, off))

    @cached_property
    def cardinality(self) -> int:
        """Number of distinct designs, exact."""
        return self.networks.cardinality * len(self.hardware.chips)

    def encode(self, subnet: Subnet) -> Genotype:
        """The canonical genotype of `subnet` on the greatest chip.

        Raises:
            DocumentError: `subnet` is no member of this space.
        """
        return self.placed(self.networks.encode(subnet), Chip())

    def placed(self, network: Genotype, chip: Chip) -> Genotype:
        """The canonical genotype of a network on a chip.

        Args:
            network: Genotype without hardware genes.
            chip: The chip; of what it leaves open there is as much as can be chosen.

        Raises:
            GenotypeError: The chip is none of those that may be chosen, or the network none of the space.
        """
        genes = list(network)
        for name, options in self.hardware.choices.items():
            wanted = getattr(chip, name)
            if wanted is not None and wanted not in options:
                raise GenotypeError(f"{name} must be one of {list(options)}, but got {wanted}")
            genes.append(len(options) - 1 if wanted is None else options.index(wanted))
        return self.canonical(genes)

    def chip(self, genotype: Sequence[int]) -> Chip:
        """The chip of a design, as far as it is searched.

        Raises:
            GenotypeError: `genotype` is none of this space.
        """
        genes = checked(genotype, self.genes)[len(self.networks.genes) :]
        choices = self.hardware.choices.items()
        return chip_with({name: options[gene] for (name, options), gene in zip(choices, genes, strict=True)})


def read_space(definition: Mapping[str, Any], *, source: str) -> Space:
    """The space of which `to_dict` made `definition`, with or without choices of hardware.

    Raises:
        DocumentError: It is damaged.
    """
    kind = JointSpace if HARDWARE in definition else Space
    return parse_document(kind, dict(definition), source=source)


def networks_of(space: Space) -> Space:
    """The networks of `space` alone."""
    return space.networks if isinstance(space, JointSpace) else space


def network_genes(space: Space, genotype: Genotype) -> Genotype:
    """The genotype of the network alone."""
    return genotype[: len(space.networks.genes)] if isinstance(space, JointSpace) else genotype


def chip_of(space: Space, genotype: Genotype) -> Chip:
    """The chip, as far as `space` has a choice of it."""
    return space.chip(genotype) if isinstance(space, JointSpace) else Chip()


def design_of(space: Space, genotype: Genotype) -> Design:
    """Network and chip.

    Raises:
        GenotypeError: `genotype` is none of `space`.
    """
    return Design(space.decode(genotype), chip_of(space, genotype))


def by_chip(space: Space, genotypes: Genotypes) -> dict[Chip, NDArray[np.intp]]:
    """Rows of genotypes (n, genes) by chip, in order of the chips' first rows."""
    if not isinstance(space, JointSpace):
        return {Chip(): np.arange(len(genotypes))}
    hardware = genotypes[:, len(space.networks.genes) :]
    different, places = np.unique(hardware, axis=0, return_inverse=True)
    found: dict[Chip, list[int]] = {}
    empty = (0,) * len(space.networks.genes)
    for number, genes in enumerate(different.tolist()):
        found.setdefault(space.chip((*empty, *genes)), []).append(number)
    return {chip: np.flatnonzero(np.isin(places.reshape(-1), numbers)) for chip, numbers in found.items()}


def corners(space: Space) -> tuple[Genotype, ...]:
    """Smallest and largest network, each on every chip with the least or most of each choice.

    The values of all objectives lie about between those of these designs: a chip with more macros is faster,
    and larger.
    """
    extremes = (space.smallest(), space.largest())
    if not isinstance(space, JointSpace):
        return extremes
    networks = [network_genes(space, one) for one in extremes]
    return tuple(space.placed(network, chip) for network in networks for chip in space.hardware.corners)
