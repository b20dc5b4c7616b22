"""Evaluations made of known values, as a sampler is told them; sizes and families stay blank."""

from __future__ import annotations

from collections.abc import Sequence

from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.study.evaluation import Evaluation


def evaluations_of(genotypes: Sequence[Genotype], values: Floats, start: int) -> list[Evaluation]:
    """Evaluations of n networks without limits, numbered from `start`, with values (n, objectives)."""
    return [
        Evaluation(
            index=index,
            genotype=genotype,
            values=tuple(row),
            limited=(),
            is_feasible=True,
            macs=0,
            params=0,
            conv_blocks=0,
            vit_blocks=0,
            family="",
        )
        for index, (genotype, row) in enumerate(zip(genotypes, values.tolist(), strict=True), start)
    ]
