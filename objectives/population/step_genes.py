"""Few genes for the tables of down-sampling steps: options that decide the same cost become one option.

The genes that belong to one step alone, such as its kernel, become one gene. So do the genes of the blocks of
a stage, as far as they decide what its first block costs more and whether there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from objectives.population.gene_table import GeneTable, grouped


@dataclass
class StepGenes:
    """Tables of steps and first blocks over few genes.

    Attributes:
        first: Position of the first derived gene.
        steps: Costs of each step.
        begins: Costs of the first block of each stage.
        is_empty: For each stage a table of one gene: whether it has no blocks.
        derived: The derived genes, each as a function of genes of the space.
    """

    first: int
    steps: list[GeneTable] = field(default_factory=list)
    begins: list[GeneTable] = field(default_factory=list)
    is_empty: list[GeneTable] = field(default_factory=list)
    derived: list[GeneTable] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        first: int,
        steps: Sequence[GeneTable],
        begins: Sequence[GeneTable],
        is_empty: Sequence[GeneTable],
    ) -> StepGenes:
        """The same functions over few genes.

        Args:
            first: Number of genes of the space.
            steps: Costs of each step, the last being the head's.
            begins: Costs of the first block of each stage.
            is_empty: For each stage whether it has no blocks, over genes that no step depends on.
        """
        result = cls(first)
        for index, step in enumerate(steps):
            others = (*steps[:index], *steps[index + 1 :], *begins)
            result.steps.append(
                result._grouped(step, set(step.genes).difference(*(table.genes for table in others)))
            )
        of_steps = {gene for step in steps for gene in step.genes}
        for begin, empty in zip(begins, is_empty, strict=True):
            result._add_stage(begin, empty, of_steps)
        return result

    def _grouped(self, table: GeneTable, group: set[int]) -> GeneTable:
        if not group:
            return table
        few, derived = grouped(table, group, self.first + len(self.derived))
        self.derived.append(derived)
        return few

    def _add_stage(self, begin: GeneTable, empty: GeneTable, of_steps: set[int]) -> None:
        genes = tuple(sorted({*begin.genes, *empty.genes}))
        costs, flags = begin.over(genes), empty.over(genes)
        sizes = np.broadcast_shapes(costs.shape[: len(genes)], flags.shape)
        columns = np.concatenate(
            [
                np.broadcast_to(costs, (*sizes, *begin.value_shape)).reshape(*sizes, -1),
                np.broadcast_to(flags, sizes)[..., None],
            ],
            axis=-1,
        )
        few = self._grouped(GeneTable(genes, columns), set(genes) - of_steps)
        values = few.values[..., :-1]
        self.begins.append(GeneTable(few.genes, values.reshape(*values.shape[:-1], *begin.value_shape)))
        own = few.values[(0,) * (len(few.genes) - 1)]
        self.is_empty.append(GeneTable(few.genes[-1:], own[:, -1] > 0))
