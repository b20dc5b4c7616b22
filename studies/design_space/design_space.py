"""Design space of a study: the networks of a search space times the chips they may run on.

A design is a network on a chip. Its genotype is that of the network followed by one gene for each number of
the chip that is searched. On a fixed chip there are no such genes: a design's genotype is the network's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.hardware.chip import Chip
from objectives.objective import Design
from search_space import genotype as genotypes
from search_space.arrays import Booleans, Genotypes
from search_space.files.yaml_document import parse_document
from search_space.genotype import Gene, Genotype
from search_space.space import Space
from search_space.table_space import TableSpace
from studies.design_space.chip_choices import FIXED_CHIP, HARDWARE, ChipChoices
from studies.design_space.listed_networks import ListedNetworks


@dataclass(frozen=True)
class DesignSpace:
    """Networks times chips.

    Attributes:
        networks: The search space.
        chips: The chips that each network may run on; by default one, which is fixed.
        listed: The networks of an accuracy table, outside which nothing is searched; None for all networks.
    """

    networks: Space
    chips: ChipChoices = FIXED_CHIP
    listed: ListedNetworks | None = None

    @property
    def name(self) -> str:
        """Name of the search space."""
        return self.networks.name

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Genes of the network, then those of the chip."""
        return (*self.networks.genes, *self.chips.genes)

    @cached_property
    def cardinality(self) -> int:
        """Exact number of distinct designs."""
        networks = self.networks.cardinality if self.listed is None else len(self.listed.genotypes)
        return networks * len(self.chips.chips)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what the genotypes mean; the space's own on a fixed chip."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Definition that `read_design_space` reads: that of the search space, and the choices of chips."""
        chips = {HARDWARE: self.chips.to_dict()} if self.chips.genes else {}
        return {**self.networks.to_dict(), **chips}

    @cached_property
    def on_fixed_chip(self) -> DesignSpace:
        """The same networks without a choice of chips."""
        return DesignSpace(self.networks, listed=self.listed) if self.chips.genes else self

    # --- one genotype ------------------------------------------------------------------------------

    def _parts(self, genotype: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """Genes of the network and genes of the chip; their values are unchecked.

        Raises:
            GenotypeError: The length is wrong.
        """
        if len(genotype) != len(self.genes):
            genotypes.checked(genotype, self.genes)  # Its error names the right number.
        split = len(self.networks.genes)
        return genotype[:split], genotype[split:]

    def network(self, genotype: Genotype) -> Genotype:
        """The genotype of the network alone."""
        return genotype[: len(self.networks.genes)]

    def chip(self, genotype: Sequence[int]) -> Chip:
        """The searched numbers of the chip of a design.

        Raises:
            GenotypeError: `genotype` does not belong to this space.
        """
        return self.chips.decode(self._parts(genotype)[1])

    def decode(self, genotype: Sequence[int]) -> Design:
        """The network and the chip that `genotype` stands for.

        Raises:
            GenotypeError: `genotype` does not belong to this space.
        """
        network, chip = self._parts(genotype)
        return Design(self.networks.decode(network), self.chips.decode(chip))

    def encode(self, design: Design) -> Genotype:
        """The canonical genotype of `design`. A number that its chip leaves open is as large as possible.

        Raises:
            DocumentError: The search space has no such network.
            GenotypeError: The chip is not among the choices.
        """
        return self.placed(self.networks.encode(design.subnet), design.chip)

    def placed(self, network: Genotype, chip: Chip) -> Genotype:
        """The canonical genotype of a network on a chip.

        Args:
            network: Genotype without genes of the chip.
            chip: The chip. A number that it leaves open is as large as possible.

        Raises:
            GenotypeError: The chip is not among the choices, or the network does not belong to the space.
        """
        return (*self.networks.canonical(network), *self.chips.encode(chip))

    def active(self, genotype: Sequence[int]) -> tuple[bool, ...]:
        """Whether the design uses each gene.

        Raises:
            GenotypeError: `genotype` does not belong to this space.
        """
        network, chip = self._parts(genotype)
        return (*self.networks.active(network), *self.chips.active(chip))

    def canonical(self, genotype: Sequence[int]) -> Genotype:
        """`genotype` with every inactive gene set to 0: equal if and only if the designs are equal.

        Raises:
            GenotypeError: `genotype` does not belong to this space.
        """
        network, chip = self._parts(genotype)
        return (*self.networks.canonical(network), *self.chips.canonical(chip))

    def parse(self, text: str) -> Genotype:
        """The canonical genotype named by `text`: ``max``, ``min``, or indices separated by commas.

        Raises:
            GenotypeError: `text` has another form.
        """
        if text in ("max", "min"):
            return self.largest() if text == "max" else self.smallest()
        return self.canonical(genotypes.parse(text))

    # --- sampling, extremes, neighbours ------------------------------------------------------------

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A random canonical genotype. Every gene is drawn uniformly before it is made canonical.

        A listed network is drawn uniformly from the list.
        """
        if self.listed is not None:
            return self.canonical((*self.listed.sample(rng), *genotypes.sample(self.chips.genes, rng)))
        return self.canonical(genotypes.sample(self.genes, rng))

    def largest(self) -> Genotype:
        """The network with the most multiply-accumulates on the chip with the most macros and units."""
        return self.placed((self.listed or self.networks).largest(), self.chips.chips[-1])

    def smallest(self) -> Genotype:
        """The network with the fewest multiply-accumulates on the chip with the fewest macros and units."""
        return self.placed((self.listed or self.networks).smallest(), self.chips.chips[0])

    @property
    def corners(self) -> tuple[Genotype, ...]:
        """Smallest and largest network, each on every chip with the least or the most of each number."""
        networks = self.listed or self.networks
        extremes = (networks.smallest(), networks.largest())
        return tuple(self.placed(network, chip) for network in extremes for chip in self.chips.corners)

    def neighbours(self, genotype: Sequence[int]) -> Iterator[Genotype]:
        """All designs that differ from this one in one gene, canonical, each once, without itself."""
        network, chip = self._parts(self.canonical(genotype))
        for other in (self.listed or self.networks).neighbours(network):
            yield (*other, *chip)
        known = {tuple(chip)}
        for index, (gene, active) in enumerate(zip(self.chips.genes, self.chips.active(chip), strict=True)):
            for value in range(gene.cardinality) if active else ():
                changed = self.chips.canonical([*chip[:index], value, *chip[index + 1 :]])
                if changed not in known:
                    known.add(changed)
                    yield (*network, *changed)

    def siblings(self, genotype: Genotype) -> Iterator[Genotype]:
        """The same network on the same chip under each other mapping that is searched, canonical."""
        network, chip = self.network(genotype), self.chip(genotype)
        for mapping in self.chips.mapping:
            other = self.placed(network, replace(chip, mapping=mapping))
            if other != genotype:
                yield other

    # --- listed networks ---------------------------------------------------------------------------

    def listed_row(self, genotype: Genotype) -> int:
        """Row of the network of `genotype` in `listed`; `ABSENT` if it is not listed."""
        assert self.listed is not None, "only a table lists networks"
        return int(self.listed.index.rows(np.array([self.network(genotype)]))[0])

    def listed_designs(self, chip: Genotype, rows: NDArray[np.intp]) -> Genotypes:
        """Designs of listed networks (n,) on the chip with these genes, shape (n, genes)."""
        assert self.listed is not None, "only a table lists networks"
        networks = self.listed.genotypes[rows].astype(np.int64)
        return np.concatenate([networks, np.tile(chip, (len(rows), 1)).astype(np.int64)], axis=1)

    # --- many genotypes ----------------------------------------------------------------------------

    def active_rows(self, designs: Genotypes) -> Booleans:
        """`active` of many designs (n, genes) at once, unchecked: shape (n, genes)."""
        split = len(self.networks.genes)
        parts = (self.networks.active_rows(designs[:, :split]), self.chips.active_rows(designs[:, split:]))
        return np.concatenate(parts, axis=1)

    def rows_by_chip(self, designs: Genotypes) -> dict[Chip, NDArray[np.intp]]:
        """Rows of designs (n, genes) by chip, in order of the chips' genes."""
        rows_by_chip: dict[Chip, list[NDArray[np.intp]]] = {}
        for genes, rows in _rows_by_value(designs[:, len(self.networks.genes) :]):
            rows_by_chip.setdefault(self.chips.decode(genes), []).append(rows)
        return {chip: np.sort(np.concatenate(parts)) for chip, parts in rows_by_chip.items()}


def _rows_by_value(genes: Genotypes) -> Iterator[tuple[list[int], NDArray[np.intp]]]:
    """Distinct rows of genes (n, k), ascending, and where each stands. Quicker than sorting whole rows."""
    # Gene by gene the rows get numbers in ascending order.
    numbers = np.zeros(len(genes), dtype=np.intp)
    for column in genes.T:
        values, places = np.unique(column, return_inverse=True)
        numbers = numbers * len(values) + places.reshape(-1)
    for number in np.unique(numbers).tolist():
        rows = np.flatnonzero(numbers == number)
        yield genes[rows[0]].tolist(), rows


def read_design_space(definition: Mapping[str, Any], *, source: str) -> DesignSpace:
    """The design space whose `to_dict` gave `definition`.

    Args:
        definition: A search space, with or without choices of chips.
        source: Name of the definition in messages.

    Raises:
        DocumentError: The definition is damaged.
    """
    networks = {key: value for key, value in definition.items() if key != HARDWARE}
    if is_tabled(definition):
        space = parse_document(TableSpace, networks, source=source).as_space()
    else:
        space = parse_document(Space, networks, source=source)
    return DesignSpace(space, read_chips(definition, source=source))


def is_tabled(definition: Mapping[str, Any]) -> bool:
    """Whether the definition of a design space is that of a `TableSpace`."""
    return "choices" in definition


def read_chips(definition: Mapping[str, Any], *, source: str) -> ChipChoices:
    """The choices of chips in the definition of a design space.

    Args:
        definition: As `read_design_space` takes it; only the chips are read.
        source: Name of the definition in messages.

    Raises:
        DocumentError: The choices are damaged.
    """
    if HARDWARE not in definition:
        return FIXED_CHIP
    return parse_document(ChipChoices, definition[HARDWARE], source=f"{source}: {HARDWARE}")
