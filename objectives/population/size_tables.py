"""Sizes of whole populations, from what every choice of a search space counts.

MACs, parameters and numbers of blocks are sums over the parts of a network, and its peak of activations is
the greatest of its parts. A part depends on a few genes, so it is counted once for each combination of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from objectives.objective import FloatArray
from objectives.population.gene_table import GeneTable, Genotypes, RowNumbers
from objectives.workload import peak_bytes, workload
from search_space import complexity
from search_space.space import Space
from search_space.subnet import MBConv, Subnet, ViTBlock

SUMS = ("macs", "params", "conv_blocks", "vit_blocks")
PEAK = "sram"
SIZES = (*SUMS, PEAK)
"""Names of what is counted; units as in `objectives.size`."""

Counts = tuple[float, ...]
"""One number for each of `SUMS`."""
Count = Callable[[Subnet], Counts]


class SizeTables:
    """Counts populations of one space.

    Args:
        space: What the genotypes mean.
    """

    def __init__(self, space: Space) -> None:
        tables = list(_Parts(space).tables())
        self._rows = RowNumbers(space, tables)
        self._values = [np.ascontiguousarray(table.values.reshape(table.rows, -1).T) for table in tables]

    def __call__(self, genotypes: Genotypes) -> dict[str, FloatArray]:
        """Each of `SIZES` (n,) of genotypes (n, genes), canonical or not; exact.

        Raises:
            GenotypeError: A row is no genotype of the space.
        """
        totals = np.zeros((len(SUMS), len(genotypes)))
        peak = np.zeros(len(genotypes))
        for values, rows in zip(self._values, self._rows(genotypes), strict=True):
            found = values.take(rows, axis=1)
            totals += found[:-1]
            np.maximum(peak, found[-1], out=peak)
        return dict(zip(SIZES, (*totals, peak), strict=True))


class _Parts:
    """Tables of the parts of the networks of one space: the numbers of `SIZES`, in this order."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._genes = {gene.name: (index, gene) for index, gene in enumerate(space.genes)}

    def tables(self) -> Iterator[GeneTable]:
        numbers = range(1, len(self._space.stages) + 1)
        yield self._table(("resolution", "stem.width"), "stem", _stem)
        for number in numbers:
            yield self._downsampling(number)
            yield from self._blocks(number)
        last = f"stage{numbers[-1]}.width"
        yield self._table(("resolution", last), "head", _head)

    def _downsampling(self, number: int) -> GeneTable:
        stage = f"stage{number}"
        before = "stem.width" if number == 1 else f"stage{number - 1}.width"
        own = (f"{stage}.width", *(f"{stage}.downsampling{part}" for part in ("", ".kernel", ".expansion")))

        def count(subnet: Subnet) -> Counts:
            return _part(subnet.stages[number - 1].downsampling, subnet.sides[number - 1])

        return self._table(("resolution", before, *own), f"{stage}.downsampling", count)

    def _blocks(self, number: int) -> Iterator[GeneTable]:
        """The blocks of stage `number`, and the position embedding of its transformer blocks."""
        stage, side = f"stage{number}", ("resolution", f"stage{number}.width")
        for kind, choices in (("conv", ("kernel", "expansion")), ("vit", ("heads", "mlp_ratio"))):
            depths = [int(option) for option in self._genes[f"{stage}.{kind}_depth"][1].options]
            if max(depths) == 0:
                continue
            deepest = {f"{stage}.{kind}_depth": len(depths) - 1}

            def count(subnet: Subnet, kind: str = kind) -> Counts:
                found = subnet.stages[number - 1]
                blocks = found.conv_blocks if kind == "conv" else found.vit_blocks
                return _part(blocks[0], subnet.sides[number])

            def embedding(subnet: Subnet) -> Counts:
                return 0.0, float(subnet.sides[number] ** 2 * subnet.stages[number - 1].width), 0.0, 0.0

            def exists(place: int, kind: str = kind, depths: list[int] = depths) -> GeneTable:
                return GeneTable((self._genes[f"{stage}.{kind}_depth"][0],), np.array(depths) > place)

            if kind == "vit":
                table = self._table(side, f"{stage}.position_embedding", embedding, deepest)
                yield table.where(exists(0))
            first = (*side, *(f"{stage}.{kind}1.{choice}" for choice in choices))
            block = self._table(first, f"{stage}.{kind}1.", count, deepest)
            for place in range(max(depths)):
                names = (*side, *(f"{stage}.{kind}{place + 1}.{choice}" for choice in choices))
                yield block.moved([self._genes[name][0] for name in names]).where(exists(place))

    def _table(
        self, genes: tuple[str, ...], prefix: str, count: Count, fixed: dict[str, int] | None = None
    ) -> GeneTable:
        """A part as a function of its genes.

        Args:
            genes: Their names.
            prefix: How the names of the part's steps begin.
            count: Counts the part of a network.
            fixed: Values of other genes; the rest are 0.
        """
        entries = [self._genes[name] for name in genes]
        sizes = [gene.cardinality for _, gene in entries]
        values = np.empty((*sizes, len(SIZES)))
        for index in np.ndindex(*sizes):
            genotype = [0] * len(self._genes)
            for name, value in (*(fixed or {}).items(), *zip(genes, index, strict=True)):
                genotype[self._genes[name][0]] = value
            subnet = self._space.decode(genotype)
            steps = [step for step in workload(subnet) if step.name.startswith(prefix)]
            values[index] = (*count(subnet), peak_bytes(steps))
        positions = [position for position, _ in entries]
        # `moved` also sorts the axes, as a table wants its genes in ascending order.
        return GeneTable(tuple(positions), values).moved(positions)


def _part(part: complexity.Part, side: int) -> Counts:
    return (
        float(complexity.part_macs(part, side)),
        float(complexity.part_params(part)),
        float(isinstance(part, MBConv)),
        float(isinstance(part, ViTBlock)),
    )


def _stem(subnet: Subnet) -> Counts:
    return float(complexity.stem_macs(subnet)), float(complexity.stem_params(subnet)), 0.0, 0.0


def _head(subnet: Subnet) -> Counts:
    return float(complexity.head_macs(subnet)), float(complexity.head_params(subnet)), 0.0, 0.0
