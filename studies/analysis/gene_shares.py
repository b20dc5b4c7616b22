"""Importance of the genes of a study, as numbers: one share for each objective and gene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats
from search_space.errors import H4HError
from studies.analysis.gene_importance import importance
from studies.study.evaluation import Evaluation
from studies.study.study import Study


@dataclass(frozen=True)
class GeneShares:
    """Importance of every gene for every objective.

    Attributes:
        genes: Names of the genes, in the order of the genotype.
        objectives: Names of the objectives, in the order of the study.
        shares: Share of the entropy of each objective that each gene explains, 0 to 1, shape (m, g).
        evaluations: Number of evaluations that were used.
    """

    genes: tuple[str, ...]
    objectives: tuple[str, ...]
    shares: Floats
    evaluations: int

    def by_objective(self) -> dict[str, dict[str, float]]:
        """Share of each gene by objective; the largest first, genes without any share left out."""
        return {
            name: {
                self.genes[index]: round(float(row[index]), 5)
                for index in np.argsort(-row, kind="stable")
                if row[index] > 0
            }
            for name, row in zip(self.objectives, self.shares, strict=True)
        }


def gene_shares(study: Study, evaluations: Sequence[Evaluation]) -> GeneShares | None:
    """Importance of the genes among the evaluations of a study; None without any information.

    There is none if the space is damaged, the evaluations are too few, or their values are all equal.
    Evaluations whose genotype is not in the space are left out.
    """
    try:
        space = study.search_space
    except H4HError:
        return None
    options, rows = [], []
    for row, evaluation in enumerate(evaluations):
        try:
            active = space.active(evaluation.genotype)
        except H4HError:
            continue
        pairs = zip(evaluation.genotype, active, strict=True)
        options.append([value if is_active else -1 for value, is_active in pairs])
        rows.append(row)
    genes = np.array(options, dtype=np.int64).reshape(len(options), len(space.genes))
    values = study.losses([evaluations[row] for row in rows])
    columns = ((column, np.isfinite(column)) for column in values.T)
    shares = np.array([importance(genes[is_known], column[is_known]) for column, is_known in columns])
    if not shares.any():
        return None
    return GeneShares(tuple(gene.name for gene in space.genes), study.objectives, shares, len(rows))
