"""The protocol of all samplers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search_space.genotype import Genotype


class Sampler(Protocol):
    """Proposes subnets, and learns from how they turned out.

    A sampler is a pure function of its seed and of what it was told. Resume depends on that: a study goes
    on by running its sampler again from the start on the evaluations in the table.
    """

    def ask(self) -> list[Genotype]:
        """The next generation: canonical genotypes, none of which was ever asked before.

        Returns:
            An empty list if and only if every network of the space was asked.
        """
        ...

    def tell(self, losses: NDArray[np.float64], violations: NDArray[np.float64]) -> None:
        """How the genotypes of the last `ask` turned out.

        Args:
            losses: Shape (n, m), row i belongs to genotype i; every objective minimised. NaN where an
                infeasible subnet was not measured.
            violations: Shape (n, k), one column per constraint; at most 0 where the constraint holds.
                A row with a value above 0 is infeasible.
        """
        ...
