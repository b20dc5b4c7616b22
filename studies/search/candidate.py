"""Candidates: designs of a generation during their evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from objectives.objective import Design
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace


@dataclass(frozen=True)
class Candidate:
    """A design, decoded once for all measurements.

    Attributes:
        index: Index of its evaluation.
        genotype: Canonical genotype of the design.
        network: Genotype of the network alone.
        design: Network and chip.
        values: Quantities that are known so far, by name.
    """

    index: int
    genotype: Genotype
    network: Genotype
    design: Design
    values: dict[str, float] = field(default_factory=dict)


def candidates(space: DesignSpace, batch: Mapping[int, Genotype]) -> list[Candidate]:
    """Decodes canonical genotypes, given by index.

    The values include the numbers of blocks, which constraints may limit and no objective measures.

    Raises:
        GenotypeError: A genotype does not belong to `space`.
    """
    decoded = []
    for index, genotype in batch.items():
        design = space.decode(genotype)
        blocks = {
            "conv_blocks": float(design.subnet.conv_blocks),
            "vit_blocks": float(design.subnet.vit_blocks),
        }
        decoded.append(Candidate(index, genotype, space.network(genotype), design, blocks))
    return decoded
